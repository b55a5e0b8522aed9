"""Cuts small images out of large canvases: turned, sheared, stretched, and with other light.

Pure NumPy. A crop is a row of genes, uniform on [0, 1), so that a crop like another is one with
nearly the same genes. Source of the strong augmentation: Asano & Saeed 2021, "Extrapolating from a
single image to a thousand classes using distillation", section 3.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.pixels import scale, unscale

Genes = NDArray[np.float64]
"""(n, GENES)."""
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

GENES = 12
"""Canvas, two of the place, size, angle, shear, stretch, mirror, brightness, contrast, saturation,
and warmth."""
SMALLEST_AREA = 1 / 500
"""Of a crop, as a share of its canvas."""
CUT_AT_ONCE = 512


class Cutter:
    """Canvases at several resolutions, to cut from without coarse pixels or flickering."""

    def __init__(
        self, canvases: Pixels, height: int, width: int, smallest_area: float = SMALLEST_AREA
    ) -> None:
        """Take canvases (n, side, side, c), the size of the crops and the area of the smallest.

        As long as it is more than twice that of the crops, the side must be even when halved.
        """
        self._size = (height, width)
        self._smallest_area = smallest_area
        self._levels = [canvases]
        while self._levels[-1].shape[1] > 2 * max(height, width):
            self._levels.append(_halved(self._levels[-1]))

    def cut(self, genes: Genes) -> Pixels:
        """Return the crops that genes (n, GENES) stand for: uint8 (n, h, w, c)."""
        channels = self._levels[0].shape[-1]
        crops = np.empty((len(genes), *self._size, channels), np.uint8)
        side = self._levels[0].shape[1]
        share = np.sqrt(self._smallest_area ** (1 - genes[:, 3]))
        level = np.log2(share * side / max(self._size)).clip(0, len(self._levels) - 1).astype(int)
        for number, canvases in enumerate(self._levels):
            for rows in _parts(np.flatnonzero(level == number)):
                cut = self._sampled(canvases, genes[rows], share[rows])
                crops[rows] = unscale(_relit(cut, genes[rows]))
        return crops

    def _sampled(self, canvases: Pixels, genes: Genes, share: Genes) -> Floats:
        """Sample crops (n, h, w, c) in [-1, 1] bilinearly; canvases go on by reflection."""
        count, side = canvases.shape[:2]
        y, x = self._places(genes, share)
        y, x = _reflected(y * side - 0.5, side), _reflected(x * side - 0.5, side)
        top, left = y.astype(int), x.astype(int)
        bottom, right = np.minimum(top + 1, side - 1), np.minimum(left + 1, side - 1)
        down, across = (y - top)[..., None], (x - left)[..., None]
        canvas = (genes[:, 0] * count).astype(int)[:, None, None] * side
        flat = canvases.reshape(-1, canvases.shape[-1])

        def row(rows: NDArray[np.int64]) -> Floats:
            first = flat[(canvas + rows) * side + left].astype(np.float32)
            second = flat[(canvas + rows) * side + right].astype(np.float32)
            mean: Floats = first + (second - first) * across
            return mean

        upper = row(top)
        sampled: Floats = (upper + (row(bottom) - upper) * down) / np.float32(127.5)
        return sampled - np.float32(1)

    def _places(self, genes: Genes, share: Genes) -> tuple[Floats, Floats]:
        """Return where on a canvas pixels lie: rows, columns (n, h, w), as shares of its side."""
        height, width = self._size
        longest = max(height, width)
        yy = ((np.arange(height) + 0.5 - height / 2) / longest)[None, :, None]
        xx = ((np.arange(width) + 0.5 - width / 2) / longest)[None, None, :]
        column = genes[:, :, None, None]
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


def mutated(random: np.random.Generator, genes: Genes, strength: float) -> Genes:
    """Return genes near these; a gene that leaves [0, 1) comes back in on the other side.

    The canvas stays: to another one there is no short way.
    """
    changed: Genes = (genes + random.normal(0, strength, genes.shape)) % 1.0
    changed[:, 0] = genes[:, 0]
    return changed


def _relit(images: Floats, genes: Genes) -> Floats:
    """Change brightness, contrast, saturation and warmth of images (n, h, w, c) in [-1, 1]."""
    brightness, contrast, saturation, warmth = (
        genes[:, 8 + number, None, None, None].astype(np.float32) - 0.5 for number in range(4)
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


def _parts(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), CUT_AT_ONCE):
        yield rows[start : start + CUT_AT_ONCE]
