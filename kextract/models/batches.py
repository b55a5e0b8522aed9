"""How many images go through a network at once: as many as memory allows for their features."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.models.axes import Shape

if TYPE_CHECKING:
    import keras

MEMORY = 256 << 20
"""Bytes of features that are made at a time."""
SMALL = 64 * 64
"""Pixels up to which memory does not limit a batch."""
HELD = 4
"""Feature maps a compiled network holds at once: a layer's input and output, and branches."""
ASSUMED = 64, 512
"""Assumed numbers per pixel, held at once and in all features, where the layers are unknown."""


def at_once(network: "keras.Model | Shape", most: int, *, all_held: bool = False) -> int:
    """Return how many images, `most` at the most, a network should be given at once.

    Images of up to `SMALL` pixels go `most` at a time, larger ones as many as fit into `MEMORY`:
    with the `HELD` largest feature maps of a compiled network, or with `all_held`, which is for
    eager calls and gradients, all of them. For an unknown `network` pass the shape (h, w, c) of its
    images.
    """
    pixels = math.prod((network if isinstance(network, tuple) else network.input_shape[1:])[:2])
    if pixels <= SMALL:
        return most
    sizes = [] if isinstance(network, tuple) else sorted(feature_bytes(network))
    known = sum(sizes if all_held else sizes[-HELD:])
    each = known or 4 * ASSUMED[all_held] * pixels
    return max(1, min(most, MEMORY // each))


def in_batches(
    function: Callable[[NDArray[Any]], Any], images: NDArray[Any], size: int
) -> NDArray[Any]:
    """Apply a function to images (n, ...), `size` at a time, and return its outputs (n, ...)."""
    return np.concatenate([np.asarray(function(part)) for part in parts(images, size)])


def parts(images: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    """Yield the images (n, ...), `size` of them at a time."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def feature_bytes(network: "keras.Model") -> Iterator[int]:
    """Yield the bytes of each layer's output for one image; nothing for a subclassed model."""
    from kextract.models.statistics import layers_within

    pixels = math.prod(network.input_shape[1:3])
    for layer in layers_within(network):
        for node in getattr(layer, "_inbound_nodes", ()):
            for made in node.output_tensors:
                # A nested model may not know the height and width of its images.
                open_sides = sum(side is None for side in made.shape[1:])
                known = math.prod(side for side in made.shape[1:] if side is not None)
                number_bytes = 2 if "16" in str(made.dtype) else 4
                yield number_bytes * known * (pixels if open_sides else 1)
