"""Canvases of dead leaves, and small images cut out of these or other canvases; pure NumPy.

Dead leaves are overlapping shapes with 1/f textures, in the colours of photographs. What makes a
photograph one to a network is mostly this: outlines that hide each other at every scale, textures
whose power falls with frequency, and colours that differ in brightness far more than in hue.
Source: Baradad et al. 2021, "Learning to see by looking at noise", section 3.1, "dead leaves" and
"spectrum"; Lee, Mumford & Huang 2001, "Occlusion models for natural images", for the radii.

A crop is a row of parameters, uniform on [0, 1), so that a crop like another is one with nearly the
same parameters. Source of the strong augmentation: Asano & Saeed 2021, "Extrapolating from a single
image to a thousand classes using distillation", section 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels, scale, unscale
from kextract.models.cost import parts
from kextract.seeds import Stream, random_generator

Floats = NDArray[np.float32]
Parameters = NDArray[np.float64]
"""What images are made from, (n, parameters), from 0 to 1."""

# Rows: brightness, yellow to blue, red to green. Source: Ruderman et al. 1998, "Statistics of cone
# responses to natural images".
OPPONENT = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]], np.float32)
OPPONENT /= np.linalg.norm(OPPONENT, axis=1, keepdims=True)
SPREAD = np.array([0.93, 0.27, 0.13], np.float32)
"""Standard deviations along these axes, pixels being -1 to 1, of photographs as a whole: roots of
the eigenvalues 0.2175, 0.0188 and 0.0045 that Krizhevsky et al. 2012 gave ImageNet's colours as
(pixels 0 to 1)."""
AVERAGE = np.array([-0.03, -0.09, -0.19], np.float32)
"""The mean colour of photographs, red, green and blue (ImageNet's, pixels being -1 to 1)."""
LARGEST, SMALLEST = 0.5, 0.012
"""Radii of leaves as shares of the canvas's side."""
CANVAS_SIDE, FEW = 512, 4
"""Pixels of a side, and canvases that are enough for a few hundred crops."""
MOST_CANVASES, CROPS_OF_A_CANVAS = 48, 512
TEXTURES = 6
"""Textures of a canvas, which its leaves are cut out of."""
CROP_PARAMETERS = 12
"""Canvas, two of the place, size, angle, shear, stretch, mirror, brightness, contrast, saturation,
and warmth."""
SMALLEST_AREA = 1 / 500
"""Of a crop, as a share of its canvas."""
CUT_PIXELS = 1 << 15
"""Pixels that are cut at a time: as many as a processor's cache holds with what they are cut by."""


def canvas(random: np.random.Generator, side: int, channels: int) -> Floats:
    """Return a canvas (side, side, channels), float32 in [-1, 1].

    Of three channels they are red, green and blue; any other number are shades of grey, alike.
    """
    textures = [_texture(random, side) for _ in range(TEXTURES)]
    palette = _palette(random)
    ground = _Leaf.at_random(random, palette, TEXTURES)
    yy, xx = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    image = ground.paint(textures, slice(None), slice(None), xx, yy)
    count = int(random.integers(60, 1500))
    radii = np.sort(_radii(random, count))[::-1] if random.random() < 0.5 else _radii(random, count)
    for radius in radii:
        _paint_leaf(random, image, textures, palette, float(radius) * side)
    image += 0.3 * random.random() * spectrum_noise(random, side, 2.0)[..., None] * OPPONENT[0]
    pixels = np.clip(image @ OPPONENT + AVERAGE, -1.0, 1.0)
    if channels != 3:
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), channels, axis=-1)
    painted: Floats = pixels.astype(np.float32)
    return painted


def canvases_for(crops: int) -> int:
    """Return how many canvases are painted to cut so many crops out of."""
    return min(MOST_CANVASES, -(-crops // CROPS_OF_A_CANVAS))


def dead_leaves(count: int, shape: tuple[int, int, int]) -> Floats:
    """Return crops (n, h, w, c) of `FEW` canvases, float32 in [-1, 1]; always the same."""
    random = random_generator(Stream.LEAVES, 0)
    canvases = [unscale(canvas(random, CANVAS_SIDE, shape[-1])) for _ in range(FEW)]
    return scale(
        Cutter(np.stack(canvases), *shape[:2]).cut(random.random((count, CROP_PARAMETERS)))
    )


def spectrum_noise(random: np.random.Generator, side: int, exponent: float) -> Floats:
    """Return noise (side, side) of mean 0 and std 1 with amplitudes 1 / f^exponent."""
    across = np.fft.rfftfreq(side)
    down = np.fft.fftfreq(side)[:, None]
    # Stretched along one axis, as grass, water and planks are.
    stretch = np.exp(random.normal(0, 0.5))
    frequency = np.sqrt((across * stretch) ** 2 + (down / stretch) ** 2)
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(random.standard_normal((side, side), dtype=np.float32))
    noise = np.fft.irfft2(white / frequency**exponent, s=(side, side))
    normal: Floats = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return normal


def _radii(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Draw radii with a density that falls as r^-3, by inverting its distribution."""
    low, high = SMALLEST**-2, LARGEST**-2
    return (low + (high - low) * random.random(count)) ** -0.5


def _texture(random: np.random.Generator, side: int) -> Floats:
    """Return a texture (side, side, 3) along the opponent axes, of std 1 in brightness.

    Hue follows brightness, as in grass and bricks, and in part goes its own way.
    """
    exponent = random.uniform(0.5, 2.0)
    brightness, hue = (spectrum_noise(random, side, exponent)[..., None] for _ in range(2))
    following, own = SPREAD / SPREAD[0] * random.normal(0, 1, (2, 3))
    following[0], own[0] = 1.0, 0.0
    texture: Floats = (brightness * following + hue * own).astype(np.float32)
    return texture


def _palette(random: np.random.Generator) -> Floats:
    """Return 3 to 22 colours (n, 3) along the opponent axes, of one light and around one colour.

    Hues have longer tails than a normal distribution: most things are nearly grey, some are red.
    """
    count = int(random.integers(3, 23))
    shared = random.uniform(0.1, 0.6)
    light = random.normal(0, 1, (1, 3)) * (0.5, 1, 1)
    tails = random.laplace(0, 0.8, (count, 3))
    tails[:, 0] = random.normal(0, 0.9, count)
    colours = 0.7 * SPREAD * (np.sqrt(shared) * light + np.sqrt(1 - shared) * tails)
    palette: Floats = colours.astype(np.float32)
    return palette


@dataclass(frozen=True)
class _Leaf:
    """How a leaf is filled."""

    colour: Floats
    texture: int
    roughness: float
    slope: tuple[float, float]
    """How much brighter it gets to the right and downwards, from its centre to its edge."""

    @classmethod
    def at_random(cls, random: np.random.Generator, palette: Floats, textures: int) -> "_Leaf":
        return cls(
            palette[random.integers(len(palette))],
            int(random.integers(textures)),
            0.35 * float(random.random()) ** 2,
            (float(random.normal(0, 0.2)), float(random.normal(0, 0.2))),
        )

    def paint(
        self, textures: list[Floats], rows: slice, columns: slice, xx: Floats, yy: Floats
    ) -> Floats:
        """Return colours (h, w, 3) along the opponent axes; xx, yy are -1 to 1 within the leaf."""
        filled = self.colour + self.roughness * textures[self.texture][rows, columns]
        filled[..., 0] += self.slope[0] * xx + self.slope[1] * yy
        return filled


def _paint_leaf(
    random: np.random.Generator,
    image: Floats,
    textures: list[Floats],
    palette: Floats,
    radius: float,
) -> None:
    side = len(image)
    x, y = random.random(2) * side
    top, bottom = max(0, int(y - radius)), min(side, int(y + radius) + 1)
    left, right = max(0, int(x - radius)), min(side, int(x + radius) + 1)
    xx = ((np.arange(left, right, dtype=np.float32) - x) / radius)[None, :]
    yy = ((np.arange(top, bottom, dtype=np.float32) - y) / radius)[:, None]
    inside = _outline(random, xx, yy)
    leaf = _Leaf.at_random(random, palette, len(textures))
    rows, columns = slice(top, bottom), slice(left, right)
    filled = leaf.paint(textures, rows, columns, xx, yy)
    np.copyto(image[rows, columns], filled, where=inside[..., None])


def _outline(random: np.random.Generator, xx: Floats, yy: Floats) -> NDArray[np.bool_]:
    """Return where a leaf is: an ellipse, or a convex polygon of 3 to 6 sides, turned anyhow."""
    angle, flatness = random.uniform(0, 2 * np.pi), random.uniform(1, 3)
    along = xx * np.cos(angle) + yy * np.sin(angle)
    across = (yy * np.cos(angle) - xx * np.sin(angle)) * flatness
    inside: NDArray[np.bool_]
    if random.random() < 0.4:
        inside = along**2 + across**2 < 1
        return inside
    sides = int(random.integers(3, 7))
    inside = np.ones(np.broadcast_shapes(xx.shape, yy.shape), np.bool_)
    turn = 2 * np.pi * (np.arange(sides) + random.uniform(-0.2, 0.2, sides)) / sides
    for edge in turn:
        inside &= along * np.cos(edge) + across * np.sin(edge) < 0.7
    return inside


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
