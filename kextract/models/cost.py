"""What a network costs: to store, to run, and in memory, which limits the images that go at once.

Nothing here imports NumPy or Keras before a network is counted or applied.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kextract.models.axes import Shape
from kextract.text import counted

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

MEMORY = 256 << 20
"""Bytes of features that are made at a time."""
SMALL = 64 * 64
"""Pixels up to which memory does not limit a batch."""
HELD = 4
"""Feature maps a compiled network holds at once: a layer's input and output, and branches."""
ASSUMED = 64, 512
"""Assumed numbers per pixel, held at once and in all features, where the layers are unknown."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs to store and to run."""

    parameters: int
    """All numbers that it consists of, moving averages included."""
    multiply_adds: int
    """Multiplications, each with its addition, of convolutions and dense layers per image."""
    layers: int = field(default=0, compare=False)
    """How many those are; 0 where they were not counted."""

    def described(self, beside: "Cost | None" = None) -> str:
        """Say it for people, as shares of another one's too where that is given."""
        parameters, adds = f"{self.parameters:,} parameters", f"{self.multiply_adds / 1e6:.3g}"
        adds += " million multiply-adds"
        if beside is not None and beside != self and beside.multiply_adds:
            parameters += f" ({relative(self.parameters, beside.parameters)})"
            adds += f" ({relative(self.multiply_adds, beside.multiply_adds)})"
        return f"{counted(self.layers, 'layer')}, {parameters}, {adds}"


def relative(number: int, other: int) -> str:
    """Say how large a number is beside another: "47 %" or, from ten times on, "960 times"."""
    share = number / other
    return f"{share:,.0f} times" if share >= 10 else f"{100 * share:.0f} %"


def cost_of(model: "keras.Model") -> Cost:
    """Count the parameters of a model, and the multiply-adds that one image takes.

    Counted are convolutions and dense layers, those of models inside the model too, and a layer
    that is applied twice twice. All else (normalization, activations, pooling, attention) is left
    out, as the field does.
    """
    import keras
    import tensorflow as tf

    from kextract.models.statistics import layers_within, record_calls

    kinds = keras.layers
    transposed = kinds.Conv2DTranspose
    ordinary = kinds.Conv2D, kinds.Dense, kinds.DepthwiseConv2D, kinds.SeparableConv2D
    counts: list[int] = []

    def count(layer: keras.Layer, given: tf.Tensor, made: tf.Tensor) -> None:
        places = (given if isinstance(layer, transposed) else made).shape[1:-1]
        kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
        counts.append(math.prod(places) * sum(math.prod(kernel.shape) for kernel in kernels))

    once = {
        id(layer): layer
        for layer in layers_within(model)
        if isinstance(layer, (*ordinary, transposed))
    }
    with record_calls(once.values(), count):
        model(tf.zeros((1, *model.input_shape[1:])), training=False)
    return Cost(model.count_params(), sum(counts), len(counts))


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
    function: "Callable[[NDArray[Any]], Any]", images: "NDArray[Any]", size: int
) -> "NDArray[Any]":
    """Apply a function to images (n, ...), `size` at a time, and return its outputs (n, ...)."""
    import numpy as np

    return np.concatenate([np.asarray(function(part)) for part in parts(images, size)])


def parts(images: "NDArray[Any]", size: int) -> "Iterator[NDArray[Any]]":
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
