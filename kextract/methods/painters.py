"""What canvases are painted with: dead leaves, and scenes of figures; pure NumPy.

Dead leaves are overlapping shapes with textures (Baradad et al. 2021, "Learning to see by looking
at noise", section 3.1, "dead leaves"). Scenes, which are ours, have what they lack: figures of
joined parts, rounded by light, with shadows, that stand apart from a ground.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kextract.methods.paints import Floats, Paints, radii, spectrum_noise

SMALLEST_LEAF, LARGEST_LEAF = 0.012, 0.5
"""Radii of leaves as shares of the image's side."""
SMALLEST_FIGURE, LARGEST_FIGURE = 0.03, 0.3
"""Radii of figures as shares of the image's side."""
FEWEST_FIGURES, MOST_FIGURES = 20, 300
"""Figures of a scene."""
REACH = 1.6
"""How far a figure's parts may be from its centre, in radii."""


def paint_leaves(random: np.random.Generator, side: int) -> Floats:
    """Return dead leaves (side, side, 3) along the opponent axes."""
    paints = Paints.at_random(random, side)
    yy, xx = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    image = _filling(random, paints, slice(None), slice(None), xx, yy)
    count = int(random.integers(60, 1500))
    for radius in radii(random, count, SMALLEST_LEAF, LARGEST_LEAF):
        _paint_leaf(random, image, paints, float(radius) * side)
    return image


def _paint_leaf(random: np.random.Generator, image: Floats, paints: Paints, radius: float) -> None:
    side = len(image)
    x, y = random.random(2) * side
    top, bottom = max(0, int(y - radius)), min(side, int(y + radius) + 1)
    left, right = max(0, int(x - radius)), min(side, int(x + radius) + 1)
    xx = ((np.arange(left, right, dtype=np.float32) - x) / radius)[None, :]
    yy = ((np.arange(top, bottom, dtype=np.float32) - y) / radius)[:, None]
    inside = _outline(random, xx, yy)
    rows, columns = slice(top, bottom), slice(left, right)
    filled = _filling(random, paints, rows, columns, xx, yy)
    np.copyto(image[rows, columns], filled, where=inside[..., None])


def _filling(
    random: np.random.Generator, paints: Paints, rows: slice, columns: slice, xx: Floats, yy: Floats
) -> Floats:
    """Return colours (h, w, 3) of a leaf that gets brighter to one side.

    xx and yy are -1 to 1 within the leaf.
    """
    filled = paints.colour(random) + paints.rough(random, (rows, columns))
    right, down = random.normal(0, 0.2), random.normal(0, 0.2)
    filled[..., 0] += right * xx + down * yy
    return filled


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


def paint_scene(random: np.random.Generator, side: int) -> Floats:
    """Return a scene (side, side, 3) along the opponent axes."""
    paints = Paints.at_random(random, side)
    image = _ground(random, paints, side)
    count = int(np.exp(random.uniform(np.log(FEWEST_FIGURES), np.log(MOST_FIGURES))))
    for radius in radii(random, count, SMALLEST_FIGURE, LARGEST_FIGURE):
        _paint_figure(random, image, paints, float(radius) * side)
    return image


def _ground(random: np.random.Generator, paints: Paints, side: int) -> Floats:
    """Return up to four bands below each other, such as grass, water and sky, with wavy borders."""
    everywhere = (slice(None), slice(None))
    down = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    wave = spectrum_noise(random, side, 2.0)
    image = np.zeros((side, side, 3), np.float32)
    for border in (0.0, *np.sort(random.random(int(random.integers(0, 4))))):
        band = paints.colour(random) + paints.rough(random, everywhere)
        band[..., 0] += random.normal(0, 0.4) * (down - 0.5)
        below = down + random.uniform(0, 0.05) * wave > border
        np.copyto(image, band, where=below[..., None] | (border == 0))
    return image


def _paint_figure(
    random: np.random.Generator, image: Floats, paints: Paints, radius: float
) -> None:
    """Paint a body, parts behind it and parts in front of it, and perhaps its shadow."""
    figure = _Figure.at_random(random, image, paints, radius)
    colours = [paints.colour(random) for _ in range(3)]
    if random.random() < 0.5:
        figure.cast_shadow()
    for _ in range(random.integers(0, 5)):
        figure.paint_part(colours[0])
    figure.paint_body(colours[0])
    for _ in range(random.integers(1, 7)):
        figure.paint_part(colours[random.integers(3)])


@dataclass(frozen=True)
class _Figure:
    """One figure: where it is painted, and what all of its parts share."""

    random: np.random.Generator
    canvas: Floats
    """The part of the image that it is painted on, (h, w, 3)."""
    xx: Floats
    """Places of the pixels (h, w) in radii, from the centre to the right."""
    yy: Floats
    """And downwards."""
    filling: Floats
    """Texture and light (h, w, 3), added to the colour of each part."""
    body: tuple[float, float]
    """Half the width and half the height of its body, in radii."""
    roundness: float
    """How much brighter the middle of a part is than its outline."""
    is_mirrored: bool
    """Whether a part on one side has its like on the other."""

    @classmethod
    def at_random(
        cls, random: np.random.Generator, image: Floats, paints: Paints, radius: float
    ) -> "_Figure":
        """Place a figure somewhere on the image, most often nearly upright."""
        side, reach = len(image), REACH * radius
        x, y = random.random(2) * side
        window = (
            slice(max(0, int(y - reach)), min(side, int(y + reach) + 1)),
            slice(max(0, int(x - reach)), min(side, int(x + reach) + 1)),
        )
        down, across = np.mgrid[window].astype(np.float32)
        down, across = (down - y) / radius, (across - x) / radius
        turn = random.normal(0, 0.4)
        xx = across * np.cos(turn) + down * np.sin(turn)
        yy = down * np.cos(turn) - across * np.sin(turn)
        filling = paints.rough(random, window)
        right, below = random.normal(0, 0.35, 2)
        filling[..., 0] += right * xx + below * yy
        return cls(
            random,
            image[window],
            xx,
            yy,
            filling,
            body=(random.uniform(0.35, 0.9), random.uniform(0.2, 0.6)),
            roundness=random.uniform(0, 0.5),
            is_mirrored=random.random() < 0.3,
        )

    def cast_shadow(self) -> None:
        """Darken an ellipse below it."""
        distance = np.hypot(self.xx / 1.2, (self.yy - 0.9) / 0.3)
        self.canvas[..., 0] -= self.random.uniform(0.1, 0.5) * np.clip(1 - distance, 0, 1)

    def paint_body(self, colour: Floats) -> None:
        """Paint an ellipse, or a box with more or less round corners."""
        corners = 2 * self.random.uniform(1, 3) if self.random.random() < 0.3 else 2
        width, height = self.body
        powers = np.abs(self.xx / width) ** corners + np.abs(self.yy / height) ** corners
        self._fill(powers ** (1 / corners), colour)

    def paint_part(self, colour: Floats) -> None:
        """Paint a limb that begins within the body, or a spot or a box there."""
        random = self.random
        x, y = random.uniform(-1, 1, 2) * self.body
        kind = random.random()
        if kind < 0.5:
            angle, length = random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.9)
            along = (length * np.cos(angle), length * np.sin(angle))
            widths = (random.uniform(0.03, 0.2), random.uniform(0.03, 0.2))
        else:
            width, height = random.uniform(0.05, 0.4, 2)
        for xx in (self.xx, -self.xx) if self.is_mirrored else (self.xx,):
            if kind < 0.5:
                distance = distance_from_limb(xx - x, self.yy - y, along=along, widths=widths)
            elif kind < 0.8:
                distance = np.hypot((xx - x) / width, (self.yy - y) / height)
            else:
                distance = np.maximum(np.abs(xx - x) / width, np.abs(self.yy - y) / height)
            self._fill(distance, colour)

    def _fill(self, distance: Floats, colour: Floats) -> None:
        """Paint where a distance (h, w) from the middle of a part is less than 1."""
        filled = colour + self.filling
        filled[..., 0] += self.roundness * (np.sqrt(np.clip(1 - distance**2, 0, 1)) - 0.6)
        np.copyto(self.canvas, filled, where=(distance < 1)[..., None])


def distance_from_limb(
    xx: Floats, yy: Floats, *, along: tuple[float, float], widths: tuple[float, float]
) -> Floats:
    """Return the distance from a line between (0, 0) and `along`, as a share of its width there."""
    right, down = along
    place = np.clip((xx * right + yy * down) / (right**2 + down**2), 0, 1)
    width = widths[0] + place * (widths[1] - widths[0])
    distance: Floats = (np.hypot(xx - place * right, yy - place * down) / width).astype(np.float32)
    return distance
