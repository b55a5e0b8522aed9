"""Images that are there from the start: another data set's, or the teacher's own."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.augment import augment
from kextract.datasets.pixels import centred
from kextract.datasets.streamed import StoredPixels
from kextract.graph import compiled
from kextract.transfer.noise import batch_generator


class StoredImages:
    """Batches drawn from uint8 images (n, h, w, c), shifted and mirrored at random."""

    def __init__(self, images: StoredPixels, config: DistillConfig) -> None:
        self._images = images
        self._config = config
        self._step = (0, 0)

    def refresh(self, epoch: int, step: int) -> tuple[()]:
        """Note which batch comes next; there is nothing to prepare."""
        self._step = (epoch, step)
        return ()

    def batch(self) -> tf.Tensor:
        """Return float32 images (n, h, w, c) in [-1, 1]."""
        return sample(self._images, self._config, *self._step)

    def metrics(self) -> dict[str, float]:
        """Return nothing: the images are always the same."""
        return {}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing: every batch follows from the seed and its place in the run."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing: there is nothing to remember."""


def sample(images: StoredPixels, config: DistillConfig, epoch: int, step: int) -> tf.Tensor:
    """Draw a batch from uint8 images (n, h, w, c), with replacement, and augment it.

    Returns float32 (`config.batch_size`, h, w, c) in [-1, 1]; which images they are, and how they
    are shifted and mirrored, depends on seed, epoch and step alone.
    """
    generator = batch_generator(config.seed, epoch, step)
    chosen = images[generator.integers(0, len(images), config.batch_size)]
    seed = tf.constant(generator.integers(0, 2**31, 2), tf.int32)
    return _augmented(tf.constant(chosen), seed, shift=config.shift, flip=bool(config.flip))


# Traced for every size of images: relaxed ones would leave `augment` without their height.
@compiled
def _augmented(pixels: tf.Tensor, seed: tf.Tensor, *, shift: int, flip: bool) -> tf.Tensor:
    images = centred(tf.cast(pixels, tf.float32))
    return augment(images, shift=shift, flip=flip, seed=seed)
