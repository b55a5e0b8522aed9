"""Which numbers a file takes for pixels, as a scale and an offset; nothing here needs Keras."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = float | Sequence[float]
"""One number, or one for each channel."""


class PixelScale(Protocol):
    """What becomes of pixels of -1 to 1 before a network sees them: times scale, plus offset.

    `kextract.models.input_range.Preprocessing` is one; `str()` of it is shown to users.
    """

    @property
    def scale(self) -> Numbers:
        """By what pixels of -1 to 1 are multiplied."""

    @property
    def offset(self) -> Numbers:
        """What is added after that."""


@dataclass(frozen=True, slots=True)
class Standardized:
    """Pixels of 0 to 1 from which each channel's mean was taken, over its standard deviation."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def scale(self) -> tuple[float, ...]:
        """By what pixels of -1 to 1 are multiplied, per channel."""
        return tuple(0.5 / deviation for deviation in self.deviation)

    @property
    def offset(self) -> tuple[float, ...]:
        """What is added after that, per channel."""
        pairs = zip(self.mean, self.deviation, strict=True)
        return tuple((0.5 - mean) / deviation for mean, deviation in pairs)

    def __str__(self) -> str:
        means, deviations = (
            "/".join(f"{value:g}" for value in values) for values in (self.mean, self.deviation)
        )
        return f"0,1 less {means} over {deviations}"


def in_range(images: NDArray[np.float32], input_range: PixelScale) -> NDArray[np.float32]:
    """Turn images (n, h, w, c) in [-1, 1] into what a drop-in for this range takes."""
    scale, offset = (np.asarray(n, np.float32) for n in (input_range.scale, input_range.offset))
    pixels: NDArray[np.float32] = images * scale + offset
    return pixels
