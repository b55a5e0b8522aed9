"""Painted canvases, and small images cut out of these or other canvases; pure NumPy.

A crop is a row of parameters, uniform on [0, 1), so that a crop like another is one with nearly the
same parameters. Source of the strong augmentation: Asano & Saeed 2021, "Extrapolating from a single
image to a thousand classes using distillation", section 3.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels, scale, unscale
from kextract.methods.painters import paint_leaves, paint_scene
from kextract.methods.paints import Floats, finished
from kextract.models.cost import parts
from kextract.seeds import Stream, random_generator

Parameters = NDArray[np.float64]
"""What images are made from, (n, parameters), from 0 to 1."""

PAINTERS: Mapping[str, tuple[Callable[[np.random.Generator, int], Floats], ...]] = {
    "leaves": (paint_leaves,),
    "scenes": (paint_leaves, paint_scene),
}
"""What paints canvases of a kind, in turn."""
CANVAS_SIDE, FEW = 512, 4
"""Pixels of a side, and canvases that are enough for a few hundred crops."""
MOST_CANVASES, CROPS_OF_A_CANVAS = 48, 512
CROP_PARAMETERS = 12
"""Canvas, two of the place, size, angle, shear, stretch, mirror, brightness, contrast, saturation,
and warmth."""
SMALLEST_AREA = 1 / 500
"""Of a crop, as a share of its canvas."""
CUT_PIXELS = 1 << 15
"""Pixels that are cut at a time: as many as a processor's cache holds with what they are cut by."""


def canvas(random: np.random.Generator, kind: str, number: int, channels: int) -> Pixels:
    """Paint canvas `number` of a kind: uint8 (CANVAS_SIDE, CANVAS_SIDE, channels)."""
    painters = PAINTERS[kind]
    image = painters[number % len(painters)](random, CANVAS_SIDE)
    return unscale(finished(random, image, channels))


def canvases_for(crops: int) -> int:
    """Return how many canvases are painted to cut so many crops out of."""
    return min(MOST_CANVASES, -(-crops // CROPS_OF_A_CANVAS))


def dead_leaves(count: int, shape: tuple[int, int, int]) -> Floats:
    """Return crops (n, h, w, c) of `FEW` canvases, float32 in [-1, 1]; always the same."""
    random = random_generator(Stream.LEAVES, 0)
    canvases = np.stack([canvas(random, "leaves", number, shape[-1]) for number in range(FEW)])
    return scale(Cutter(canvases, *shape[:2]).cut(random.random((count, CROP_PARAMETERS))))


class Cutter:
    """Canvases at several resolutions, to cut from without coarse pixels or flickering."""

    def __init__(
        self, canvases: Pixels, height: int, width: int, smallest_area: float = SMALLEST_AREA
    ) -> None:
        """Take canvases (n, side, side, c), the size of the crops and the area of the smallest.

        As long as it is more than twice that of the crops, the side must be even when halved.
        """
        self._size = (height, width)
        self._at_once = max(1, CUT_PIXELS // (height * width))
        self._smallest_area = smallest_area
        self.canvases = len(canvases)
        self._levels = [canvases]
        while self._levels[-1].shape[1] > 2 * max(height, width):
            self._levels.append(_halved(self._levels[-1]))

    def cut(self, parameters: Parameters) -> Pixels:
        """Return the crops of parameters (n, CROP_PARAMETERS): uint8 (n, h, w, c)."""
        channels = self._levels[0].shape[-1]
        crops = np.empty((len(parameters), *self._size, channels), np.uint8)
        side = self._levels[0].shape[1]
        share = np.sqrt(self._smallest_area ** (1 - parameters[:, 3]))
        level = np.log2(share * side / max(self._size)).clip(0, len(self._levels) - 1).astype(int)
        for number, canvases in enumerate(self._levels):
            for rows in parts(np.flatnonzero(level == number), self._at_once):
                cut = self._sampled(canvases, parameters[rows], share[rows])
                crops[rows] = unscale(_relit(cut, parameters[rows]))
        return crops

    def _sampled(self, canvases: Pixels, parameters: Parameters, share: Parameters) -> Floats:
        """Sample crops (n, h, w, c) in [-1, 1] bilinearly; canvases go on by reflection."""
        count, side = canvases.shape[:2]
        y, x = self._places(parameters, share)
        y, x = _reflected(y * side - 0.5, side), _reflected(x * side - 0.5, side)
        # Of 32 bits, where that is enough: most of the time goes into moving bytes.
        top, left = y.astype(np.int32), x.astype(np.int32)
        bottom, right = np.minimum(top + 1, side - 1), np.minimum(left + 1, side - 1)
        down: Floats = (y - top.astype(np.float32))[..., None]
        across: Floats = (x - left.astype(np.float32))[..., None]
        canvas = (parameters[:, 0] * count).astype(int)[:, None, None] * side
        flat = canvases.reshape(-1, canvases.shape[-1])

        def row(rows: NDArray[np.int32]) -> Floats:
            start = (canvas + rows) * side
            first = flat.take(start + left, axis=0).astype(np.float32)
            second = flat.take(start + right, axis=0).astype(np.float32)
            mean: Floats = first + (second - first) * across
            return mean

        upper = row(top)
        sampled: Floats = upper + (row(bottom) - upper) * down
        sampled /= 127.5
        sampled -= 1
        return sampled

    def _places(self, parameters: Parameters, share: Parameters) -> tuple[Floats, Floats]:
        """Return where on a canvas pixels lie: rows, columns (n, h, w), as shares of its side."""
        height, width = self._size
        longest = max(height, width)
        yy = ((np.arange(height) + 0.5 - height / 2) / longest)[None, :, None]
        xx = ((np.arange(width) + 0.5 - width / 2) / longest)[None, None, :]
        column = parameters[:, :, None, None]
        size = share[:, None, None]
        angle = np.deg2rad(60 * column[:, 4] - 30)
        stretch = np.exp(0.6 * (column[:, 6] - 0.5))
        xx = (
            np.where(column[:, 7] < 0.5, -xx, xx) * stretch
            + np.tan(np.deg2rad(60 * column[:, 5] - 30)) * yy
        )
        yy = yy / stretch
        y = column[:, 1] + size * (yy * np.cos(angle) + xx * np.sin(angle))
        x = column[:, 2] + size * (xx * np.cos(angle) - yy * np.sin(angle))
        return y.astype(np.float32), x.astype(np.float32)


def perturb(random: np.random.Generator, parameters: Parameters, strength: float) -> Parameters:
    """Return parameters near these, by noise of std `strength` that wraps around in [0, 1).

    The first stays the same, a crop's canvas or how many strokes a curve has: one next to another
    has nothing in common with it.
    """
    changed: Parameters = (parameters + random.normal(0, strength, parameters.shape)) % 1.0
    changed[:, 0] = parameters[:, 0]
    return changed


def _relit(images: Floats, parameters: Parameters) -> Floats:
    """Change brightness, contrast, saturation and warmth of images (n, h, w, c) in [-1, 1]."""
    brightness, contrast, saturation, warmth = (
        parameters[:, 8 + number, None, None, None].astype(np.float32) - 0.5 for number in range(4)
    )
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    relit: Floats = (images - mean) * np.exp(1.4 * contrast + 0.5) + mean + 0.6 * brightness
    if images.shape[-1] == 3:
        grey = relit.mean(axis=-1, keepdims=True)
        relit = grey + (relit - grey) * np.exp(2.0 * saturation - 0.4)
        relit += 0.3 * warmth * np.array([1, 0, -1], np.float32)
    return relit


def _halved(images: Pixels) -> Pixels:
    """Halve the side of images (n, s, s, c) with even sides, by averages of four pixels."""
    count, side, _, channels = images.shape
    blocks = scale(images).reshape(count, side // 2, 2, side // 2, 2, channels)
    return unscale(blocks.mean(axis=(2, 4)))


def _reflected(index: Floats, size: int) -> Floats:
    """Send indices beyond a canvas back inside, as often as it takes."""
    last = np.float32(size - 1)
    inside: Floats = last - np.abs(last - np.abs(index) % (2 * last))
    return inside
