"""The axes of what a network takes: where an image's height, width and channels are in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

from kextract.errors import Refused, Unclear

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int, int, int]
"""Height, width and channels."""
Dims = tuple[int | None, ...]
"""The axes of an input, its batch first; None for one that is left open."""
CHANNELS = (1, 3)
"""Sizes by which an axis is recognized as the channels."""


def image_shape(axes: Sequence[int | None]) -> Shape | None:
    """Return the shape of the images that an input of these axes takes, the batch left out.

    The axes are (h, w, c), (c, h, w), (h, w) for one channel, or (n,) for a flattened square image.
    None for any others, and where a size is unknown.
    """
    match axes:
        case [int(height), int(width), int(channels)]:
            first = height in CHANNELS and channels not in CHANNELS
            return (width, channels, height) if first else (height, width, channels)
        case [int(height), int(width)]:
            return height, width, 1
        case [int(count)]:
            for channels in CHANNELS:
                side = isqrt(count // channels)
                if side * side * channels == count:
                    return side, side, channels
    return None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a network's input looks like."""

    shape: Shape
    """Height, width and channels of an image."""
    axes: tuple[int, ...]
    """How the network wants them: (h, w, c), (c, h, w), (h, w) or (n,)."""
    batch: int | None
    """The only batch size that it takes; None for any."""


def layouts(
    dims: Dims, given: Shape | None, channels_first: bool | None = None
) -> tuple[Layout, ...]:
    """Return the layouts that an input of these axes can have, the likeliest first.

    `given` is `--input-shape`; `channels_first` says the order of three axes, where that is known.
    Raises Refused for what is not an image, Unclear where --input-shape is missing or does not fit.
    """
    if not 2 <= len(dims) <= 4:
        raise Refused(f"takes an input of {len(dims)} axes; a classifier of images has 2 to 4")
    batch, *axes = dims
    found = [
        Layout(shape, order, batch)
        for shape in ([given] if given else _shapes(axes))
        for order in _orders(shape, len(axes), channels_first)
        if all(axis in (None, size) for axis, size in zip(axes, order, strict=True))
    ]
    if given is None:
        found = [layout for layout in found if layout.shape[2] in CHANNELS] or found
        if len({layout.shape for layout in found}) != 1:
            raise Unclear(
                "does not say what its images are like: pass --input-shape HEIGHT,WIDTH,CHANNELS,"
                " such as --input-shape 224,224,3"
            )
    if not found:
        taken = " x ".join("any" if axis is None else str(axis) for axis in axes)
        shape = ",".join(map(str, given or ()))
        raise Unclear(f"--input-shape {shape} (HEIGHT,WIDTH,CHANNELS): it takes {taken}")
    return tuple(found)


def _shapes(axes: Sequence[int | None]) -> list[Shape]:
    """List the shapes that images of these axes can have; none where one of them is open."""
    match axes:
        case [int(first), int(second), int(third)]:
            return [(second, third, first), (first, second, third)]
    shape = image_shape(axes)
    return [shape] if shape else []


def _orders(shape: Shape, count: int, channels_first: bool | None) -> list[tuple[int, ...]]:
    """List the ways in which so many axes can hold images of a shape."""
    height, width, channels = shape
    if count == 3:
        first = (channels, height, width)
        return [first, shape] if channels_first is None else [first if channels_first else shape]
    if count == 2:
        return [(height, width)] if channels == 1 else []
    return [(height * width * channels,)]


def is_channels_first(shape: Shape, axes: Sequence[int]) -> bool:
    """Tell whether images of a shape (h, w, c) are (c, h, w) in these axes."""
    height, width, channels = shape
    return tuple(axes) == (channels, height, width) != shape


def arranged(images: "NDArray[Any]", axes: Sequence[int]) -> "NDArray[Any]":
    """Put images (n, h, w, c) into the axes of an input, (n, *axes)."""
    import numpy as np

    height, width, channels = images.shape[1:]
    if is_channels_first((height, width, channels), axes):
        images = np.moveaxis(images, -1, 1)
    return np.ascontiguousarray(images).reshape(len(images), *axes)
