"""Curves: up to three strokes of a pen on plain ground, drawn from a few numbers; pure NumPy.

What people classify in small grey images was written or drawn: a few smooth lines in the middle,
and nothing around them. Source: Baradad et al. 2022, "Procedural image programs for representation
learning", for kinds of programs that matter more than the number of their images.
"""

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels
from kextract.datasets.strokes import catmull_rom
from kextract.methods.canvases import Floats, Parameters

STROKES, POINTS = 3, 4
"""Of an image, at the most, and of a stroke."""
SAMPLES = 48
"""Places of a stroke that ink is put at: at most two pixels apart in images of 28."""
SIDE = 28
"""Of the images whose pixels the pen's size is given in."""
PEN = 10
"""Parameters that the strokes of an image share."""
CURVE_PARAMETERS = PEN + STROKES + 2 * STROKES * POINTS
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
    pen, closed, points = np.split(parameters, [PEN, PEN + STROKES], axis=1)

    def between(number: int, low: float, high: float) -> Floats:
        value: Floats = (low + (high - low) * pen[:, number])[:, None, None]
        return value

    points = points.reshape(-1, STROKES, POINTS, 2) - 0.5
    ends = np.where(closed[..., None] < CLOSED, points[:, :, 0], points[:, :, -1])
    points = np.concatenate([points[:, :, :-1], ends[:, :, None]], axis=2)
    strokes = np.ceil(between(0, 0, STROKES)).clip(1)[:, 0]
    height = min(size) * between(1, 0.4, 1.0)
    width = height * np.exp(between(2, -0.7, 0.3))
    middle = np.concatenate([between(3, 0.4, 0.6), between(4, 0.4, 0.6)], axis=2) * size
    lines = middle[:, None] + np.concatenate([height, width], axis=2)[:, None] * (_curve() @ points)
    distance = _distance(lines, np.arange(STROKES) < strokes, size) * SIDE / min(size)
    cover = ((between(5, 0.4, 2.0) - distance) / between(6, 0.5, 2.0) + 0.5).clip(0, 1)
    ground, ink = between(7, -0.4, 0.4).clip(min=0), between(8, 0.6, 1.4).clip(max=1)
    light = ground + (ink - ground) * cover
    light = np.where(between(9, 0, 1) < 0.5, 1 - light, light)
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
