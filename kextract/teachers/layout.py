"""How a model file wants its images: axes, batch size, numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.pixels import scale
from kextract.errors import RequestError
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.teachers.protocol import Shape

Dims = tuple[int | None, ...]
CHANNELS = (1, 3)
"""What tells the channels from a side, where a file names all its axes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a network's input looks like."""

    shape: Shape
    """Height, width and channels of an image."""
    channels_first: bool
    batch: int | None
    """The only batch size that it takes; None for any."""


def layouts(dims: Dims, given: Shape | None, path: object) -> tuple[Layout, ...]:
    """Return the layouts that an input of these axes can have, the likeliest first.

    None in `dims` is an axis that the file leaves open; `given` is `--input-shape`. Raises
    RequestError for what is no image, and where --input-shape is missing or does not fit.
    """
    if len(dims) != 4:
        raise RequestError(
            f"'{path}' takes an input of {len(dims)} axes; a classifier of images has 4"
        )
    batch, *axes = dims
    found = [
        Layout(shape, first, batch)
        for first, (height, width, channels) in (
            (True, (axes[1], axes[2], axes[0])),
            (False, (axes[0], axes[1], axes[2])),
        )
        if (shape := _filled((height, width, channels), given))
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


def _filled(axes: tuple[int | None, ...], given: Shape | None) -> Shape | None:
    """Return the axes where they are all known and as given, else None."""
    if given is None:
        height, width, channels = axes
        return None if None in axes else (height, width, channels)  # type: ignore[return-value]
    fits = all(axis in (None, size) for axis, size in zip(axes, given, strict=True))
    return given if fits else None


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
