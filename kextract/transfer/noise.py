"""Random noise, the article's first technique, and what both techniques start from."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kextract.seeds import Stream, random_generator


def clipped_noise(
    generator: np.random.Generator, shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Return N(0, 1) noise clipped to [-1, 1], float32 of this shape."""
    return generator.standard_normal(shape, dtype=np.float32).clip(-1, 1)


def batch_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the random generator of one batch, which no other batch's making can move."""
    return random_generator(Stream.BATCH, seed, epoch, step)


class RandomNoise:
    """A new batch of clipped Gaussian noise for every update."""

    def __init__(self, shape: tuple[int, int, int, int], seed: int) -> None:
        self._shape = shape
        self._seed = seed
        self._step = (0, 0)

    def refresh(self, epoch: int, step: int) -> tuple[()]:
        """Note which batch comes next; there is nothing to prepare."""
        self._step = (epoch, step)
        return ()

    def batch(self) -> tf.Tensor:
        """Return float32 noise (n, h, w, c) in [-1, 1]."""
        return tf.constant(clipped_noise(batch_generator(self._seed, *self._step), self._shape))

    def metrics(self) -> dict[str, float]:
        """Return nothing: random noise is always the same."""
        return {}

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return nothing: every batch follows from the seed and its place in the run."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Do nothing: there is nothing to remember."""
