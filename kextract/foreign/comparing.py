"""How far a network that was read is from the file that it was read from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kextract.foreign.network import ReadNetwork

Floats = NDArray[np.float32]
IMAGES = 16
"""How many are compared if nothing else is said."""
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a network is from its file."""

    images: int
    difference: float
    """The largest, of any output of any image, as a share of the range of the file's outputs."""
    agreement: float
    """The share of images that both put into the same class, or of labels at 0.5."""


def compared(expected: Floats, found: Floats, *, by_label: bool) -> Comparison:
    """Compare outputs (n, k), which are labels on their own or else those of one class."""
    spread = float(np.ptp(expected)) or 1.0
    difference = float(np.abs(expected - found).max()) / spread
    if not np.isfinite(difference):
        difference = float("inf")
    if by_label or expected.shape[1] == 1:
        same = (expected > 0.5) == (found > 0.5)
    else:
        same = expected.argmax(axis=1) == found.argmax(axis=1)
    return Comparison(len(expected), difference, float(np.mean(same)))


def made_up_images(network: ReadNetwork, count: int) -> Iterator[Floats]:
    """Yield batches (n, h, w, c) in [-1, 1], noise first."""
    from kextract.models.made_up_images import drawings, photographs

    noise = count - count // 2
    random = np.random.default_rng(0)
    for start in range(0, noise, _AT_ONCE):
        size = min(_AT_ONCE, noise - start)
        yield random.uniform(-1, 1, (size, *network.input_shape)).astype(np.float32)
    drawn = (count - noise) // 2
    for kind, size in ((photographs, count - noise - drawn), (drawings, drawn)):
        if size:
            yield 2 * kind(size, network.input_shape) - 1


def outputs_of(network: ReadNetwork, images: Floats) -> Floats:
    """Give the outputs of a network as its file has them, of images (n, h, w, c) of its range."""
    given = images.reshape(len(images), *network.model.input_shape[1:])
    outputs: Floats = network.model(given, training=False).numpy()
    return with_head(outputs, network.head)


def with_head(logits: Floats, head: str) -> Floats:
    """Put back what a file's network ends in."""
    if head == "softmax":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-logits))) if head == "sigmoid" else logits
