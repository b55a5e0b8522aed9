"""Keeps `Normalization` layers, while they are built, from making constants of any size.

Every other layer that is read only says what its variables are to be like. This one computes with
copies of its means and variances, and makes them as large as its input says, at once.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

MAX_CONSTANTS = 1 << 20
"""The most numbers that all Normalization layers together may normalize by."""


class TooManyConstants(Exception):  # noqa: N818 - it never leaves this package
    """More constants than are read, as one line without the file's name."""


def too_many(error: BaseException | None) -> TooManyConstants | None:
    """Find our own error behind those that Keras makes of it, some of them of the same class."""
    found = None
    while error is not None:
        found = error if isinstance(error, TooManyConstants) else found
        error = error.__context__
    return found


@contextmanager
def limited_constants() -> Iterator[None]:
    """Raise TooManyConstants, from within Keras, where Normalization layers need too many."""
    build, left = keras.layers.Normalization.build, MAX_CONSTANTS

    def limited(layer: Any, input_shape: Any) -> None:
        nonlocal left
        axes = range(len(input_shape)) if layer.axis is None else layer.axis
        left -= math.prod(input_shape[axis] or 1 for axis in axes)
        if left < 0:
            raise TooManyConstants(f"normalizes by more than {MAX_CONSTANTS} numbers")
        build(layer, input_shape)

    keras.layers.Normalization.build = limited
    try:
        yield
    finally:
        keras.layers.Normalization.build = build
