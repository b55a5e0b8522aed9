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
"""

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.glyphs import GLYPHS, SAMPLES, sampling_matrix
from kextract.datasets.images import Labels, Pixels

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

Floats = NDArray[np.float32]


def load_strokes() -> tuple[Pixels, Labels, Pixels, Labels]:
    """Draw the whole data set: x_train, y_train, x_test, y_test.

    Images are uint8 (12000, 28, 28, 1) and (2000, 28, 28, 1), light ink on dark ground; labels are
    int64, every digit equally often. Training and test images come from different seeds.
    """
    x_train, y_train = draw_digits(TRAIN_COUNT, _TRAIN_SEED)
    x_test, y_test = draw_digits(TEST_COUNT, _TEST_SEED)
    return x_train, y_train, x_test, y_test


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
        np.concatenate([samples, marks], axis=1),
        np.concatenate([pressure, mark_pressure], axis=1),
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
