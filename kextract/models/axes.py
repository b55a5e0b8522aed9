"""The axes of what a network takes: where an image's height, width and channels are in them."""

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int, int, int]
"""Height, width and channels."""
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
