"""How a model file wants its images: axes, batch size, numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.pixels import scale
from kextract.errors import RequestError
from kextract.models.axes import CHANNELS, Shape, image_shape
from kextract.models.input_range import PIXELS, Preprocessing

Dims = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a network's input looks like."""

    shape: Shape
    """Height, width and channels of an image."""
    axes: tuple[int, ...]
    """How the network wants them: (h, w, c), (c, h, w), (h, w) or (n,)."""
    batch: int | None
    """The only batch size that it takes; None for any."""


def layouts(dims: Dims, given: Shape | None, path: object) -> tuple[Layout, ...]:
    """Return the layouts that an input of these axes can have, the likeliest first.

    None in `dims` is an axis that the file leaves open; `given` is `--input-shape`. Raises
    RequestError for what is not an image, and where --input-shape is missing or does not fit.
    """
    if not 2 <= len(dims) <= 4:
        raise RequestError(
            f"'{path}' takes an input of {len(dims)} axes; a classifier of images has 2 to 4"
        )
    batch, *axes = dims
    found = [
        Layout(shape, order, batch)
        for shape in ([given] if given else _shapes(axes))
        for order in _orders(shape, len(axes))
        if all(axis in (None, size) for axis, size in zip(axes, order, strict=True))
    ]
    if given is None:
        found = [layout for layout in found if layout.shape[2] in CHANNELS] or found
    shapes = {layout.shape for layout in found}
    if given is None and len(shapes) != 1:
        raise RequestError(
            f"'{path}' does not say what its images are like: pass --input-shape, such as"
            " --input-shape 28,28,1"
        )
    if not found:
        raise RequestError(
            f"--input-shape {','.join(map(str, given or ()))}: '{path}' takes"
            f" {' x '.join('any' if axis is None else str(axis) for axis in axes)}"
        )
    return tuple(found)


def _shapes(axes: Sequence[int | None]) -> list[Shape]:
    """List the shapes that images of these axes can have; none where one of them is open."""
    match axes:
        case [int(first), int(second), int(third)]:
            return [(second, third, first), (first, second, third)]
    shape = image_shape(axes)
    return [shape] if shape else []


def _orders(shape: Shape, count: int) -> list[tuple[int, ...]]:
    """List the ways in which so many axes can hold images of a shape."""
    height, width, channels = shape
    if count == 3:
        return [(channels, height, width), shape]
    if count == 2:
        return [(height, width)] if channels == 1 else []
    return [(height * width * channels,)]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an input's numbers mean: real value = scale * (number - zero), for integers."""

    dtype: np.dtype[Any]
    scale: float = 0.0
    """0 where numbers stand for themselves."""
    zero: int = 0

    def encoded(self, pixels: NDArray[np.uint8], given: Preprocessing | None) -> NDArray[Any]:
        """Return pixels of any shape as the network takes them.

        `given` is the range of real values for black and white; without it that is -1 to 1 for
        floating-point numbers, and all that they can say for integers of one byte.
        """
        if self.dtype.kind == "f":
            return (given or PIXELS).apply(scale(pixels)).astype(self.dtype)
        least, most = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
        if given is None or not self.scale:
            offset = least if self.dtype.itemsize == 1 else 0
            return (pixels.astype(np.int16) + offset).astype(self.dtype)
        numbers = np.rint(given.apply(scale(pixels)) / self.scale) + self.zero
        encoded: NDArray[Any] = numbers.clip(least, most).astype(self.dtype)
        return encoded
