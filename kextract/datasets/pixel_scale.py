"""Which number is black and which is white: decided once, for files and arrays of any kind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels
from kextract.errors import DatasetError

SLACK = 1e-3
"""How far floats may pass black or white by rounding, as a share of the way between them."""
PLAUSIBLE = 0.25
"""Brightness, as a share of white, that the brightest pixel of many images hardly ever misses."""


@dataclass(frozen=True, slots=True)
class PixelRange:
    """What the pixels of one part of a file are like."""

    kind: str
    """NumPy's letter: b, u, i or f."""
    low: float
    high: float

    @property
    def is_black(self) -> bool:
        """Tell whether there is nothing that could say which number is white."""
        return self.low == self.high == 0

    def joined(self, other: "PixelRange") -> "PixelRange":
        """Give the range of both parts; a float in either makes the whole one of floats."""
        kind = "f" if "f" in (self.kind, other.kind) else max(self.kind, other.kind)
        return PixelRange(kind, min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True, slots=True)
class PixelScale:
    """The numbers that stand for black and for white."""

    black: float
    white: float

    def __str__(self) -> str:
        return f"{self.black:g} to {self.white:g}"

    def brightness(self, value: float) -> float:
        """Say how bright a pixel is: 0 is black, 1 is white."""
        return (value - self.black) / (self.white - self.black)

    def to_uint8(self, images: NDArray[Any]) -> Pixels:
        """Bring images (n, ...) of any numbers to uint8 of the same shape, 0 to 255."""
        if images.dtype == np.uint8 and self == BYTES:
            return np.ascontiguousarray(images)
        converted = np.empty(images.shape, dtype=np.uint8)
        factor = 255.0 / (self.white - self.black)
        for target, image in zip(converted, images, strict=True):  # no second copy as floats
            levels = np.asarray(image if image.dtype.kind == "f" else image.astype(np.float32))
            target[...] = np.rint((levels - self.black) * factor).clip(0, 255)
        return converted


UNIT, BYTES = PixelScale(0, 1), PixelScale(0, 255)
CENTRED, SIXTEEN_BITS = PixelScale(-1, 1), PixelScale(0, 65535)


def range_of(images: NDArray[Any]) -> PixelRange:
    """Look through images (n, ...) of at least one pixel."""
    return PixelRange(images.dtype.kind, float(images.min()), float(images.max()))


def pixel_scale(where: str, parts: Mapping[str, PixelRange]) -> tuple[PixelScale, tuple[str, ...]]:
    """Decide from all parts of a file together which numbers are black and white.

    Returns that, and what is worth a line: what was taken that is not obvious, or looks wrong.
    Numbers up to 1 are 0 to 1 whatever their type, those up to 255 are bytes; floats that begin
    below -0.5 and end at 1 are -1 to 1; those from 16384 to 65535 are of 16 bits. Raises
    DatasetError, beginning with `where`, for others and for parts that differ.
    """
    ranges = list(parts.values())
    whole = ranges[0]
    for other in ranges[1:]:
        whole = whole.joined(other)
    if whole.is_black:
        return BYTES, (f"{where}: all pixels are 0, which is black",)
    scale = _scale_of(whole)
    if scale is None or any(not _is_finite(found) for found in ranges):
        raise DatasetError(f"{where}: {_refusal(whole)}")
    for name, found in parts.items():
        own = None if found.is_black else _scale_of(found)
        if own not in (None, scale):
            others = next(n for n, other in parts.items() if _scale_of(other) == scale)
            raise DatasetError(
                f"{where}: expected pixels of one scale in all parts, found {name} within {own} and"
                f" {others} within {scale}; bring them to the same"
            )
    return scale, (*_taken(where, whole, scale), *_too_dark(where, parts, scale))


def _scale_of(found: PixelRange) -> PixelScale | None:
    """Say what numbers of a range mean by themselves; None where no scale is known."""
    if not _is_finite(found):
        return None
    slack = SLACK if found.kind == "f" else 0.0
    for scale in (UNIT, CENTRED, BYTES, SIXTEEN_BITS):
        room = slack * (scale.white - scale.black)
        if found.low < scale.black - room or found.high > scale.white + room:
            continue
        if scale is CENTRED and not (found.kind == "f" and found.low <= -0.5 and found.high > 0):
            continue
        if scale is BYTES and found.high < 2:
            continue  # overshoots of 0 to 1, as bicubic resizing makes them
        if scale is SIXTEEN_BITS and scale.brightness(found.high) < PLAUSIBLE:
            continue
        return scale
    return None


def _is_finite(found: PixelRange) -> bool:
    return math.isfinite(found.low) and math.isfinite(found.high)


def _refusal(found: PixelRange) -> str:
    if not _is_finite(found):
        return "expected pixels that are numbers, found NaN or infinity; repair the array"
    scales = "0 to 255 or 0 to 1" if found.kind == "f" else "0 to 255"
    return (
        f"expected pixels within {scales}, found {found.low:g} to {found.high:g}; rescale the array"
    )


def _taken(where: str, found: PixelRange, scale: PixelScale) -> tuple[str, ...]:
    """Say what was taken for black and white where a reader could not know it."""
    if scale is UNIT and found.kind in "ui":
        return (f"{where}: pixels of 0 and 1 are taken for black and white",)
    if scale is CENTRED:
        return (f"{where}: pixels of -1 to 1 are taken for black to white",)
    if scale is SIXTEEN_BITS:
        return (f"{where}: pixels of up to {found.high:g} are taken for 16 bits: 65535 is white",)
    return ()


def _too_dark(where: str, parts: Mapping[str, PixelRange], scale: PixelScale) -> tuple[str, ...]:
    """Warn of parts without a bright pixel: something else may be their white."""
    return tuple(
        f"{where}: the brightest pixel{f' of {name}' if name else ''} is {found.high:g}, and"
        f" {scale.white:g} is taken for white: rescale the images if that is wrong"
        for name, found in parts.items()
        if scale.brightness(found.high) < PLAUSIBLE
    )
