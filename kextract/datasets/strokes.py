"""Ten classes of pen-drawn digits, generated: a data set that needs no download.

Every image is a glyph whose control points were moved, bent, slanted, turned, scaled and shifted at
random, drawn by a pen of random thickness, pressure and darkness on a noisy background, now and
then with a stray mark. The same seed gives the same images on the same machine; another CPU may
round a rare pixel otherwise.

The ranges below are chosen so that a linear classifier stays under 92 % and a small convolutional
network passes 98.5 %; the tests check both.

Drawing uses that a Gaussian of the distance to a point is a Gaussian in x times one in y. So the
sum of Gaussians over all curve samples is one matrix product per image, and its logarithm is a
smooth distance to the nearest point of the curve.

A glyph lives in a box one unit high, x to the right and y downwards. A stroke is a smooth curve
through its control points (a uniform Catmull-Rom spline); a corner is a point where one stroke ends
and the next begins, so that both move with it. A stroke that ends where it began is a ring.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Labels, Pixels

SAMPLES = 96
"""Points that a glyph is sampled at: a spacing of about half a pixel for the longest one."""

Floats = NDArray[np.float32]

SIZE = 28
TRAIN_COUNT = 12_000
TEST_COUNT = 2_000
_TRAIN_SEED = 20_200_517
_TEST_SEED = 20_200_518
_CHUNK = 250
"""Images drawn at once, few enough for the working arrays to stay in the cache."""
_SOFTNESS = 0.8
"""Standard deviation of the Gaussian round a curve sample, pixels."""
_MARK_SAMPLES = 12
"""Samples of a stray mark."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One way to write a digit."""

    digit: int
    points: tuple[tuple[float, float], ...]
    strokes: tuple[tuple[int, ...], ...]
    """Indices into `points`, in the order the pen visits them."""


def _ring(cx: float, cy: float, rx: float, ry: float) -> tuple[tuple[float, float], ...]:
    turns = np.arange(6) * (np.pi / 3)
    return tuple((float(cx + rx * np.sin(turn)), float(cy - ry * np.cos(turn))) for turn in turns)


GLYPHS: tuple[Glyph, ...] = (
    Glyph(0, _ring(0.5, 0.5, 0.3, 0.45), ((0, 1, 2, 3, 4, 5, 0),)),
    Glyph(
        0,
        ((0.62, 0.08), (0.36, 0.12), (0.22, 0.5), (0.4, 0.92), (0.68, 0.86), (0.78, 0.45),
         (0.6, 0.1), (0.42, 0.04)),
        ((0, 1, 2, 3, 4, 5, 6, 7),),
    ),
    Glyph(1, ((0.52, 0.05), (0.5, 0.5), (0.5, 0.95)), ((0, 1, 2),)),
    Glyph(1, ((0.3, 0.27), (0.54, 0.05), (0.54, 0.5), (0.52, 0.95)), ((0, 1), (1, 2, 3))),
    Glyph(
        1,
        ((0.32, 0.24), (0.52, 0.05), (0.52, 0.94), (0.26, 0.94), (0.78, 0.94)),
        ((0, 1), (1, 2), (3, 2, 4)),
    ),
    Glyph(
        2,
        ((0.2, 0.28), (0.36, 0.08), (0.64, 0.08), (0.77, 0.28), (0.6, 0.55), (0.2, 0.93),
         (0.5, 0.92), (0.82, 0.93)),
        ((0, 1, 2, 3, 4, 5), (5, 6, 7)),
    ),
    Glyph(
        2,
        ((0.22, 0.22), (0.48, 0.05), (0.74, 0.24), (0.6, 0.56), (0.3, 0.88), (0.17, 0.82),
         (0.32, 0.74), (0.56, 0.9), (0.84, 0.86)),
        ((0, 1, 2, 3, 4, 5, 6, 7, 8),),
    ),
    Glyph(
        3,
        ((0.22, 0.15), (0.5, 0.05), (0.75, 0.24), (0.44, 0.46), (0.79, 0.69), (0.54, 0.95),
         (0.2, 0.83)),
        ((0, 1, 2, 3), (3, 4, 5, 6)),
    ),
    Glyph(
        3,
        ((0.22, 0.07), (0.76, 0.07), (0.45, 0.42), (0.78, 0.58), (0.7, 0.87), (0.45, 0.95),
         (0.2, 0.85)),
        ((0, 1), (1, 2), (2, 3, 4, 5, 6)),
    ),
    Glyph(
        4,
        ((0.3, 0.06), (0.2, 0.57), (0.84, 0.57), (0.7, 0.14), (0.66, 0.55), (0.63, 0.95)),
        ((0, 1), (1, 2), (3, 4, 5)),
    ),
    Glyph(
        4,
        ((0.63, 0.05), (0.15, 0.66), (0.87, 0.66), (0.63, 0.5), (0.63, 0.95)),
        ((0, 1), (1, 2), (0, 3, 4)),
    ),
    Glyph(
        5,
        ((0.77, 0.06), (0.32, 0.06), (0.26, 0.46), (0.54, 0.38), (0.79, 0.62), (0.6, 0.92),
         (0.2, 0.86)),
        ((0, 1), (1, 2), (2, 3, 4, 5, 6)),
    ),
    Glyph(
        6,
        ((0.68, 0.05), (0.36, 0.3), (0.22, 0.65), (0.4, 0.94), (0.7, 0.86), (0.74, 0.62),
         (0.5, 0.5), (0.25, 0.66)),
        ((0, 1, 2, 3, 4, 5, 6, 7),),
    ),
    Glyph(7, ((0.18, 0.07), (0.8, 0.07), (0.56, 0.5), (0.4, 0.95)), ((0, 1), (1, 2, 3))),
    Glyph(
        7,
        ((0.18, 0.08), (0.8, 0.07), (0.58, 0.5), (0.42, 0.95), (0.32, 0.52), (0.8, 0.5)),
        ((0, 1), (1, 2, 3), (4, 2, 5)),
    ),
    Glyph(
        8,
        ((0.5, 0.46), (0.26, 0.26), (0.5, 0.05), (0.74, 0.26), (0.5, 0.48), (0.22, 0.73),
         (0.5, 0.95), (0.78, 0.73)),
        ((0, 1, 2, 3, 4, 5, 6, 7, 0),),
    ),
    Glyph(
        8,
        (*_ring(0.5, 0.26, 0.22, 0.21), *_ring(0.5, 0.71, 0.28, 0.24)),
        ((0, 1, 2, 3, 4, 5, 0), (6, 7, 8, 9, 10, 11, 6)),
    ),
    Glyph(
        9,
        ((0.74, 0.28), (0.5, 0.05), (0.25, 0.28), (0.46, 0.5), (0.7, 0.62), (0.62, 0.95)),
        ((0, 1, 2, 3, 0), (0, 4, 5)),
    ),
    Glyph(
        9,
        ((0.72, 0.26), (0.48, 0.05), (0.25, 0.27), (0.46, 0.5), (0.76, 0.6), (0.58, 0.93),
         (0.28, 0.87)),
        ((0, 1, 2, 3, 0), (0, 4, 5, 6)),
    ),
)  # fmt: skip
"""Every way to write every digit, by rising digit."""


def sampling_matrix(glyph: Glyph, width: int) -> Floats:
    """Give the weights (SAMPLES, width) that turn `glyph`'s control points into curve samples.

    A sample is a fixed mixture of control points, so one product with these weights samples the
    curves of any number of distorted copies. `width` pads the columns with zeros.
    """
    spans = [span for stroke in glyph.strokes for span in _spans(stroke)]
    points = np.asarray(glyph.points)
    lengths = np.array([np.linalg.norm(points[b] - points[a]) for _, a, b, _ in spans])
    borders = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    where = (np.arange(SAMPLES) + 0.5) / SAMPLES
    span_of = np.searchsorted(borders, where, side="right") - 1
    within = (where - borders[span_of]) / (borders[span_of + 1] - borders[span_of])
    weights = np.zeros((SAMPLES, width), dtype=np.float32)
    for column, values in enumerate(catmull_rom(within)):
        controls = np.array([span[column] for span in spans])[span_of]
        np.add.at(weights, (np.arange(SAMPLES), controls), values)
    return weights


def _spans(stroke: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """List the four control points around every piece of a stroke, its ends repeated."""
    closed = stroke[0] == stroke[-1]
    first, last = (stroke[-2], stroke[1]) if closed else (stroke[0], stroke[-1])
    path = (first, *stroke, last)
    return [(path[i], path[i + 1], path[i + 2], path[i + 3]) for i in range(len(stroke) - 1)]


def catmull_rom(t: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Weigh the four control points of a span at `t` in [0, 1)."""
    return (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )


def load_strokes() -> tuple[Pixels, Labels, Pixels, Labels]:
    """Draw the whole data set: x_train, y_train, x_test, y_test.

    Images are uint8 (12000, 28, 28, 1) and (2000, 28, 28, 1), light ink on dark ground; labels are
    int64, every digit equally often. Training and test images come from different seeds. They are
    drawn once in a process and cannot be changed.
    """
    return *_drawn_once(TRAIN_COUNT, _TRAIN_SEED), *_drawn_once(TEST_COUNT, _TEST_SEED)


@cache
def _drawn_once(count: int, seed: int) -> tuple[Pixels, Labels]:
    images, labels = draw_digits(count, seed)
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def draw_digits(count: int, seed: int) -> tuple[Pixels, Labels]:
    """Draw `count` images, uint8 (count, 28, 28, 1), with their labels, int64 (count,)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count, dtype=np.int64) % 10)
    images = np.empty((count, SIZE, SIZE, 1), dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        samples = _place(_bend(_write(labels[chunk], rng), rng), rng)
        images[chunk, :, :, 0] = _ink(samples, rng)
    return images, labels


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Floats:
    return (low + (high - low) * rng.random(shape, dtype=np.float32)).astype(np.float32)


def _write(labels: Labels, rng: np.random.Generator) -> Floats:
    """Sample a glyph of each label, its control points jittered: (n, SAMPLES, 2), about 0."""
    width = max(len(glyph.points) for glyph in GLYPHS)
    controls = np.zeros((len(GLYPHS), width, 2), dtype=np.float32)
    for row, glyph in zip(controls, GLYPHS, strict=True):
        row[: len(glyph.points)] = np.asarray(glyph.points) - 0.5
    weights = np.stack([sampling_matrix(glyph, width) for glyph in GLYPHS])
    digits = np.array([glyph.digit for glyph in GLYPHS])
    first = np.searchsorted(digits, labels)
    ways = np.searchsorted(digits, labels, side="right") - first
    glyphs = first + (rng.random(len(labels)) * ways).astype(np.int64)
    jitter = 0.028 * rng.standard_normal((len(labels), width, 2), dtype=np.float32)
    return np.asarray(weights[glyphs] @ (controls[glyphs] + jitter), dtype=np.float32)


def _bend(samples: Floats, rng: np.random.Generator) -> Floats:
    """Warp the plane by a slow wave in each axis."""
    n = len(samples)
    strength = _uniform(rng, 0.0, 0.05, n, 1, 2)
    frequency = _uniform(rng, 3.0, 7.0, n, 1, 2)
    phase = _uniform(rng, 0.0, 2 * np.pi, n, 1, 2)
    wave = np.sin(frequency * samples[:, :, ::-1] + phase)
    return np.asarray(samples + strength * wave, dtype=np.float32)


def _place(samples: Floats, rng: np.random.Generator) -> Floats:
    """Slant, turn, scale and shift the glyphs into pixel coordinates."""
    n = len(samples)
    slant = _uniform(rng, -0.3, 0.3, n)
    turn = _uniform(rng, -0.24, 0.24, n)
    height = _uniform(rng, 15.5, 22.0, n)
    width = height * _uniform(rng, 0.8, 1.2, n)
    x = width[:, None] * (samples[:, :, 0] - slant[:, None] * samples[:, :, 1])
    y = height[:, None] * samples[:, :, 1]
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    placed = np.stack([cos * x - sin * y, sin * x + cos * y], axis=2)
    shift = _uniform(rng, -2.0, 2.0, n, 1, 2)
    return np.asarray(placed + shift + (SIZE - 1) / 2, dtype=np.float32)


def _ink(samples: Floats, rng: np.random.Generator) -> Pixels:
    """Draw curves (n, SAMPLES, 2) in pixels as images (n, 28, 28)."""
    n = len(samples)
    pressure = _pressure(n, rng)
    marks, mark_pressure = _stray_marks(n, rng)
    distance = _soft_distance(
        np.concatenate([samples, marks], axis=1), np.concatenate([pressure, mark_pressure], axis=1)
    )
    radius = _uniform(rng, 0.7, 1.5, n, 1, 1)
    edge = _uniform(rng, 0.8, 1.6, n, 1, 1)
    cover = np.clip((radius - distance) / edge + 0.5, 0.0, 1.0)
    ground = _uniform(rng, 0.0, 30.0, n, 1, 1)
    ink = _uniform(rng, 165.0, 255.0, n, 1, 1)
    grain = _uniform(rng, 1.0, 10.0, n, 1, 1)
    noise = grain * rng.standard_normal((n, SIZE, SIZE), dtype=np.float32)
    pixels = ground + (ink - ground) * cover + noise
    images: Pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return images


def _pressure(n: int, rng: np.random.Generator) -> Floats:
    """Give the pen's pressure along the curve, as the logarithm of a sample's weight."""
    along = np.linspace(0.0, 1.0, SAMPLES, dtype=np.float32)[None, :]
    frequency = _uniform(rng, 3.0, 12.0, n, 1)
    phase = _uniform(rng, 0.0, 2 * np.pi, n, 1)
    strength = _uniform(rng, 0.0, 0.6, n, 1)
    return np.asarray(strength * np.sin(frequency * along + phase), dtype=np.float32)


def _stray_marks(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Put a short straight mark anywhere, in a quarter of the images."""
    start = _uniform(rng, 1.0, SIZE - 2.0, n, 1, 2)
    angle = _uniform(rng, 0.0, 2 * np.pi, n, 1)
    length = _uniform(rng, 1.0, 4.0, n, 1)
    step = length[:, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    along = np.linspace(0.0, 1.0, _MARK_SAMPLES, dtype=np.float32)[None, :, None]
    absent = np.where(rng.random((n, 1)) < 0.25, 0.0, -np.inf).astype(np.float32)
    return start + along * step, np.repeat(absent, _MARK_SAMPLES, axis=1)


def _soft_distance(samples: Floats, log_weights: Floats) -> Floats:
    """Give every pixel's distance to the curve samples, smoothed: (n, 28, 28), pixels."""
    pixels = np.arange(SIZE, dtype=np.float32)[:, None]
    sharpness = np.float32(-0.5 / _SOFTNESS**2)
    across = np.exp(sharpness * (pixels - samples[:, None, :, 0]) ** 2)
    down = np.exp(sharpness * (pixels - samples[:, None, :, 1]) ** 2 + log_weights[:, None, :])
    density = down @ across.transpose(0, 2, 1)
    # A line sampled at half a pixel sums to this where it is nearest: the zero of the distance.
    peak = np.float32(np.sqrt(2 * np.pi) * _SOFTNESS / 0.5)
    squared = np.log(np.maximum(density / peak, np.float32(1e-30))) / sharpness
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float32)
