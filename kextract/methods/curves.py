"""Curves: up to three strokes of a pen on plain ground, drawn from a few numbers; pure NumPy.

What people classify in small grey images was written or drawn: a few smooth lines in the middle,
and nothing around them. Source: Baradad et al. 2022, "Procedural image programs for representation
learning", for kinds of programs that matter more than the number of their images.
"""

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels
from kextract.datasets.strokes import catmull_rom
from kextract.methods.canvases import Parameters
from kextract.methods.paints import Floats

STROKES, POINTS = 3, 4
"""Of an image, at the most, and of a stroke."""
SAMPLES = 48
"""Places of a stroke that ink is put at: at most two pixels apart in images of 28."""
SIDE = 28
"""Of the images whose pixels the pen's size is given in."""
SHARED = {
    "strokes": (0, STROKES),  # rounded up
    "height": (0.4, 1.0),  # of the box that they are in, as a share of the shorter side
    "width": (-0.7, 0.3),  # the logarithm of its share of the height
    "row": (0.4, 0.6),  # of its middle, as a share of the side, and likewise
    "column": (0.4, 0.6),
    "radius": (0.4, 2.0),  # of the pen, in pixels, and how many its edge is wide
    "edge": (0.5, 2.0),
    "ground": (-0.4, 0.4),  # how light they are, clipped to 0 and 1, and inverted below a half
    "ink": (0.6, 1.4),
    "inverted": (0, 1),
}
"""Parameters that the strokes of an image share, and between what each lies."""
CURVE_PARAMETERS = len(SHARED) + STROKES + 2 * STROKES * POINTS
CLOSED = 0.25
"""Share of strokes that end where they began."""
DRAWN_AT_ONCE = 256


def draw_curves(parameters: Parameters, shape: tuple[int, int, int]) -> Pixels:
    """Draw images of parameters (n, CURVE_PARAMETERS): uint8 (n, h, w, c), all channels alike."""
    images = np.empty((len(parameters), *shape), np.uint8)
    for start in range(0, len(parameters), DRAWN_AT_ONCE):
        part = slice(start, start + DRAWN_AT_ONCE)
        images[part] = _draw(parameters[part].astype(np.float32), shape[:2])[..., None]
    return images


def _draw(parameters: Floats, size: tuple[int, int]) -> Pixels:
    shared, closed, points = np.split(parameters, np.cumsum([len(SHARED), STROKES]), axis=1)
    strokes, height, width, row, column, radius, edge, ground, ink, inverted = (
        (low + (high - low) * share)[:, None, None]
        for share, (low, high) in zip(shared.T, SHARED.values(), strict=True)
    )
    points = points.reshape(-1, STROKES, POINTS, 2) - 0.5
    ends = np.where(closed[..., None] < CLOSED, points[:, :, 0], points[:, :, -1])
    points = np.concatenate([points[:, :, :-1], ends[:, :, None]], axis=2)
    height = min(size) * height
    box = np.concatenate([height, height * np.exp(width)], axis=2)
    middle = np.concatenate([row, column], axis=2) * size
    lines = middle[:, None] + box[:, None] * (_curve() @ points)
    drawn = np.arange(STROKES) < np.ceil(strokes).clip(1)[:, 0]
    distance = _distance(lines, drawn, size) * SIDE / min(size)
    cover = ((radius - distance) / edge + 0.5).clip(0, 1)
    ground, ink = ground.clip(min=0), ink.clip(max=1)
    light = ground + (ink - ground) * cover
    light = np.where(inverted < 0.5, 1 - light, light)
    images: Pixels = np.rint(255 * light).astype(np.uint8)
    return images


def _distance(lines: Floats, drawn: NDArray[np.bool_], size: tuple[int, int]) -> Floats:
    """Return about how far every pixel is from the strokes that are drawn, in pixels: (n, h, w).

    `lines` (n, STROKES, SAMPLES, 2) are rows and columns, `drawn` is (n, STROKES). A sum of
    Gaussians along a line is a Gaussian of the distance to it, and one matrix product.
    """
    spread = min(size) / SIDE
    steps = np.linalg.norm(np.gradient(lines, axis=2), axis=-1) * drawn[..., None]
    weights = (steps / (np.sqrt(2 * np.pi) * spread)).reshape(len(lines), 1, -1)
    places = lines.reshape(len(lines), 1, -1, 2)
    down, across = (
        np.exp(-0.5 * ((np.arange(side)[:, None] + 0.5 - places[..., axis]) / spread) ** 2)
        for axis, side in enumerate(size)
    )
    density = (weights * down).astype(np.float32) @ across.astype(np.float32).transpose(0, 2, 1)
    distance: Floats = spread * np.sqrt(-2 * np.log(density.clip(1e-30, 1)))
    return distance


def _curve() -> Floats:
    """Return the weights (SAMPLES, POINTS) that make places along a stroke of its points."""
    where = (np.arange(SAMPLES) + 0.5) / SAMPLES * (POINTS - 1)
    weights = np.zeros((SAMPLES, POINTS), np.float32)
    for number, values in enumerate(catmull_rom(where % 1)):
        point = (where.astype(int) + number - 1).clip(0, POINTS - 1)
        np.add.at(weights, (np.arange(SAMPLES), point), values)
    return weights
