"""Looks over Keras's shoulder while it builds: what is too large is stopped before it is made.

A small description can ask for any amount of memory, and a check afterwards would come too late.
Keras offers no place to ask in, so the constructors that every tensor and variable goes through are
wrapped for as long as one model is built.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

MAX_ACTIVATIONS = 1 << 24
"""The most numbers that a layer may make of one image."""
MAX_CONSTANTS = 1 << 20
"""The most numbers that all Normalization layers together may normalize by."""
MORE_TENSORS = "has layers with more tensors than its file"
_SEED = "uint32"


class TooLarge(Exception):  # noqa: N818 - it never leaves this package
    """What is too large, as one line without the file's name."""


def too_large(error: BaseException | None) -> TooLarge | None:
    """Find our own error behind those that Keras makes of it, some of them of the same class."""
    found = None
    while error is not None:
        found = error if isinstance(error, TooLarge) else found
        error = error.__context__
    return found


def check_size(shape: Iterable[int | None]) -> None:
    """Raise TooLarge for a tensor made of one image; sizes that are not known are left out."""
    if math.prod(size for size in shape if size is not None) > MAX_ACTIVATIONS:
        raise TooLarge(f"makes more than {MAX_ACTIVATIONS} numbers of one image in one layer")


@contextmanager
def watched(*, numbers: int, variables: int) -> Iterator[None]:
    """Raise TooLarge, from within Keras, as soon as a model outgrows what its file can hold.

    Its variables may be so many, and have so many numbers together; seeds do not count.
    """
    left = {
        "has layers with more weights than its file has room for": numbers,
        MORE_TENSORS: variables,
        f"normalizes by more than {MAX_CONSTANTS} numbers": MAX_CONSTANTS,
    }
    weights, tensors, constants = left

    def take(kind: str, amount: int) -> None:
        left[kind] -= amount
        if left[kind] < 0:
            raise TooLarge(kind)

    def tensor_made(tensor: Any) -> None:
        check_size(tensor.shape)

    def variable_made(variable: Any) -> None:
        if variable.dtype != _SEED:
            take(tensors, 1)
            take(weights, math.prod(variable.shape))

    def normalization_to_build(layer: Any, shape: Any) -> None:
        axes = range(len(shape)) if layer.axis is None else layer.axis
        take(constants, math.prod(shape[axis] or 1 for axis in axes))

    with ExitStack() as stack:
        stack.enter_context(_after(keras.KerasTensor, "__init__", tensor_made))
        stack.enter_context(_after(keras.Variable, "__init__", variable_made))
        stack.enter_context(_before(keras.layers.Normalization, "build", normalization_to_build))
        yield


@contextmanager
def _after(cls: Any, name: str, look: Callable[[Any], None]) -> Iterator[None]:
    method = getattr(cls, name)

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        method(self, *args, **kwargs)
        look(self)

    with _replaced(cls, name, wrapper):
        yield


@contextmanager
def _before(cls: Any, name: str, look: Callable[[Any, Any], None]) -> Iterator[None]:
    method = getattr(cls, name)

    def wrapper(self: Any, input_shape: Any) -> None:
        look(self, input_shape)
        method(self, input_shape)

    with _replaced(cls, name, wrapper):
        yield


@contextmanager
def _replaced(cls: Any, name: str, method: Callable[..., None]) -> Iterator[None]:
    own = vars(cls).get(name)
    setattr(cls, name, method)
    try:
        yield
    finally:
        if own is None:
            delattr(cls, name)
        else:
            setattr(cls, name, own)
