"""Colours and textures of photographs, which canvases are painted with; pure NumPy.

What makes a photograph one to a network is mostly this: outlines that hide each other at every
scale, textures whose power falls with frequency, and colours that differ in brightness far more
than in hue. Source: Baradad et al. 2021, "Learning to see by looking at noise", section 3.1,
"spectrum"; Ruderman et al. 1998, "Statistics of cone responses to natural images", for the colours.

Images are float32 (side, side, 3) along the opponent axes until they are finished.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Window = tuple[slice, slice]
"""Rows and columns of an image."""

# Rows: brightness, yellow to blue, red to green.
OPPONENT = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]], np.float32)
OPPONENT /= np.linalg.norm(OPPONENT, axis=1, keepdims=True)
SPREAD = np.array([0.93, 0.27, 0.13], np.float32)
"""Standard deviations along these axes, pixels being -1 to 1, of photographs as a whole: roots of
the eigenvalues 0.2175, 0.0188 and 0.0045 that Krizhevsky et al. 2012 gave ImageNet's colours as
(pixels 0 to 1)."""
AVERAGE = np.array([-0.03, -0.09, -0.19], np.float32)
"""The mean colour of photographs, red, green and blue (ImageNet's, pixels being -1 to 1)."""
TEXTURES = 6
"""Textures of an image, which its things are cut out of."""


@dataclass(frozen=True)
class Paints:
    """What the things of one image share: textures, and colours under one light."""

    textures: list[Floats]
    """Each (side, side, 3)."""
    palette: Floats
    """(colours, 3)."""

    @classmethod
    def at_random(cls, random: np.random.Generator, side: int) -> "Paints":
        """Draw the textures and the palette of an image (side, side, 3)."""
        textures = [_texture(random, side) for _ in range(TEXTURES)]
        return cls(textures, _palette(random))

    def colour(self, random: np.random.Generator) -> Floats:
        """Draw a colour (3,)."""
        colour: Floats = self.palette[random.integers(len(self.palette))]
        return colour

    def rough(self, random: np.random.Generator, window: Window) -> Floats:
        """Draw a texture, mostly a faint one, of a part of the image: (h, w, 3)."""
        texture = self.textures[random.integers(len(self.textures))][window]
        rough: Floats = np.float32(0.35 * random.random() ** 2) * texture
        return rough


def finished(random: np.random.Generator, image: Floats, channels: int) -> Floats:
    """Return an image along the opponent axes as pixels (side, side, channels), in [-1, 1].

    Light falls on it unevenly. Of three channels they are red, green and blue; any other number are
    shades of grey, alike.
    """
    strength = 0.3 * random.random()
    light = strength * spectrum_noise(random, len(image), 2.0)
    image = image + light[..., None] * OPPONENT[0]
    pixels = np.clip(image @ OPPONENT + AVERAGE, -1.0, 1.0)
    if channels != 3:
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), channels, axis=-1)
    painted: Floats = pixels.astype(np.float32)
    return painted


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


def radii(
    random: np.random.Generator, count: int, smallest: float, largest: float
) -> NDArray[np.float64]:
    """Draw radii whose density falls as r^-3, in any order or the largest first.

    Source: Lee, Mumford & Huang 2001, "Occlusion models for natural images".
    """
    falling = random.random() < 0.5
    low, high = smallest**-2, largest**-2
    drawn: NDArray[np.float64] = (low + (high - low) * random.random(count)) ** -0.5
    return np.sort(drawn)[::-1] if falling else drawn


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
