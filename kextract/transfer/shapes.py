"""Random shapes: blobs and strokes cut out of smooth noise, as cheap as noise and far more telling.

What makes images images is that neighbouring pixels belong together and that things have outlines.
Noise has neither. Source of the idea: Baradad et al. 2021, "Learning to see by looking at noise",
which learns features from such images; here a teacher answers them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.transfer.noise import batch_generator

GRIDS = (3, 4, 5, 6, 7, 8, 10, 14)
"""Sides of the noise that is enlarged to the image: from a few large shapes to many small ones."""


class RandomShapes:
    """A new batch of shapes for every update."""

    def __init__(self, shape: tuple[int, int, int, int], seed: int) -> None:
        self._seed = seed
        self._moment = (0, 0)
        self._draw = tf.function(lambda seed: draw_shapes(shape, seed), jit_compile=False)

    def refresh(self, epoch: int, step: int) -> tuple[()]:
        """Note which batch comes next; there is nothing to prepare."""
        self._moment = (epoch, step)
        return ()

    def batch(self) -> tf.Tensor:
        """Return float32 images (n, h, w, c) in [-1, 1]."""
        generator = batch_generator(self._seed, *self._moment)
        return self._draw(tf.constant(generator.integers(0, 2**31, 2), tf.int32))

    def figures(self) -> dict[str, float]:
        """Return nothing: random shapes are always alike."""
        return {}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing: every batch follows from the seed and its place in the run."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing: there is nothing to remember."""


def draw_shapes(shape: tuple[int, int, int, int], seed: tf.Tensor) -> tf.Tensor:
    """Return float32 images (n, h, w, c) in [-1, 1]: ink of one colour on ground of another.

    `seed` is int32 (2,). Ink lies where a smooth field is above a level (a blob), near a level (a
    stroke along its contour), or near a level where another field is positive (an open stroke).
    Edges are soft or hard. Grey images are black and white; colours are any two.
    """
    count, _, _, channels = shape
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 9))

    def uniform(index: int, low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform((count, 1, 1, 1), seeds[index], low, high)

    fields = _smooth_fields(shape, seeds[0])
    level = 0.7 * tf.random.stateless_normal((count, 1, 1, 1), seeds[1])
    blob = (fields - tf.abs(level)) * tf.exp(uniform(2, -0.5, 2.5))
    stroke = (uniform(3, 0.1, 0.6) - tf.abs(fields - level)) * tf.exp(uniform(4, 0.5, 2.5))
    kind = uniform(5, 0.0, 1.0)
    window = _smooth_fields(shape, seeds[6], grids=GRIDS[1:2])
    stroke = tf.where((kind > 0.6) & (window < 0.0), -10.0, stroke)
    ink = tf.tanh(tf.where(kind < 0.3, blob, stroke))
    if channels == 1:
        return tf.where(uniform(7, 0.0, 1.0) < 0.5, ink, -ink)
    ground, paint = (
        tf.random.stateless_uniform((count, 1, 1, channels), one, -1.0, 1.0) for one in seeds[7:]
    )
    return ground + (paint - ground) * (ink + 1.0) / 2.0


def _smooth_fields(
    shape: tuple[int, int, int, int], seed: tf.Tensor, grids: tuple[int, ...] = GRIDS
) -> tf.Tensor:
    """Return smooth noise (n, h, w, 1) of unit variance, as many images of each grid size."""
    count, height, width, _ = shape
    parts = np.array_split(np.arange(count), len(grids))
    fields = []
    for number, (part, side) in enumerate(zip(parts, grids, strict=True)):
        if not len(part):
            continue
        noise = tf.random.stateless_normal((len(part), side, side, 1), seed + number)
        field = tf.image.resize(noise, (height, width), method="bicubic")
        fields.append(field / tf.math.reduce_std(field, axis=[1, 2, 3], keepdims=True))
    return tf.concat(fields, axis=0)
