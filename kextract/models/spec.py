"""What is known of an architecture before it is built, and what a network costs when it is.

Nothing here imports Keras before a network is counted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kextract.text import counted

if TYPE_CHECKING:
    import keras

POOLINGS = ("article", "global", "none")
ARTICLE_POOL = 8
"""Side of the article's average pooling: all of the last feature map of a 32x32 image."""


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
            parameters += f" ({100 * self.parameters / beside.parameters:.0f} %)"
            adds += f" ({100 * self.multiply_adds / beside.multiply_adds:.0f} %)"
        return f"{counted(self.layers, 'layer')}, {parameters}, {adds}"


@dataclass(frozen=True)
class ModelSpec:
    """One architecture: how it is described and built."""

    description: str
    build: Callable[..., Any]
    """Takes (input_shape, classes, width=..., weight_decay=...) and makes a `keras.Model`.

    `width` multiplies the channels of every hidden layer. It takes pooling=... where `has_pooling`.
    It imports Keras when it is called and not before.
    """
    poolings: tuple[str, ...] = ("global",)
    """What may come before the classifier: all of `POOLINGS`, or what the architecture has."""
    cost: Cost | None = None
    """For images of 32x32x3 and ten classes; None for one that is not listed."""

    normalizes: bool = True
    """Whether it has batch normalizations."""

    fast_in_bfloat16: bool = True
    """Whether it is faster in bfloat16 where that is native; depthwise convolutions take twice as
    long, and those of few channels up to twice."""

    @property
    def has_pooling(self) -> bool:
        """Whether the pooling before the classifier can be chosen."""
        return len(self.poolings) > 1


def scaled(channels: int, width: float) -> int:
    """Return this many channels times a width, at least one."""
    return max(1, round(channels * width))


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
