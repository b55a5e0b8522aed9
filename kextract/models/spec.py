"""What the registry knows of an architecture before it is built; nothing here imports Keras."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
