"""Batches of stored images: another data set's, the teacher's own, or those kept in a bank."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.image_files import StoredPixels
from kextract.datasets.images import Pixels, augment, centred, unscale
from kextract.graph import compiled
from kextract.methods.base import Batch, Method, MethodContext
from kextract.models.axes import Shape
from kextract.seeds import Stream, random_generator


class StoredImages(Method):
    """Batches of given images, shifted and mirrored at random."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._images = context.images[context.config.method]

    def _make_batch(self) -> Batch:
        return Batch(sample(self._images, self._config, *self._step))


def sample(images: StoredPixels, config: DistillConfig, epoch: int, step: int) -> tf.Tensor:
    """Draw a batch from uint8 images (n, h, w, c), with replacement, and augment it.

    Returns float32 (`config.batch_size`, h, w, c) in [-1, 1]; which images they are, and how they
    are shifted and mirrored, depends on seed, epoch and step alone.
    """
    random = random_generator(Stream.BATCH, config.seed, epoch, step)
    chosen = images[random.integers(0, len(images), config.batch_size)]
    seed = tf.constant(random.integers(0, 2**31, 2), tf.int32)
    return _augmented(tf.constant(chosen), seed, shift=config.shift, flip=bool(config.flip))


# Traced for every size of images: relaxed ones would leave `augment` without their height.
@compiled
def _augmented(pixels: tf.Tensor, seed: tf.Tensor, *, shift: int, flip: bool) -> tf.Tensor:
    images = centred(tf.cast(pixels, tf.float32))
    return augment(images, shift=shift, flip=flip, seed=seed)


class Bank:
    """Up to `size` made-up images, uint8 (n, h, w, c), of which the newest replace the oldest."""

    def __init__(self, size: int, image_shape: Shape) -> None:
        self._images = np.zeros((size, *image_shape), np.uint8)
        self._added = 0

    @property
    def images(self) -> Pixels:
        """What is in the bank, in no particular order."""
        return self._images[: min(self._added, len(self._images))]

    def newest(self, count: int) -> Pixels:
        """Return the `count` images that were added last, or all where there are fewer."""
        count = min(count, len(self.images))
        return self._images[(self._added - 1 - np.arange(count)) % len(self._images)]

    def add(self, images: NDArray[np.float32]) -> None:
        """Store images (n, h, w, c) in [-1, 1], rounded to 256 levels."""
        size = len(self._images)
        indices = (self._added + np.arange(len(images))) % size
        self._images[indices] = unscale(images)
        self._added += len(images)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all images, and how many were ever added."""
        return {"images": self._images, "added": np.array(self._added, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Hold what `state` returned."""
        self._images[:] = state["images"]
        self._added = int(state["added"])
