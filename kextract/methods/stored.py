"""Stored images: another data set's, the teacher's own, or made-up ones that are kept in a bank.

How good made-up ones are is measured without data, by the teacher's predictions and the pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.image_files import StoredPixels
from kextract.datasets.images import Pixels, augment, centred, scale, unscale
from kextract.methods.base import Batch, Method, MethodContext
from kextract.models.axes import Shape
from kextract.models.cost import at_once, in_batches
from kextract.runtime import compiled
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
    return augmented(chosen, config, random)


def augmented(images: Pixels, config: DistillConfig, random: np.random.Generator) -> tf.Tensor:
    """Shift and mirror uint8 images (n, h, w, c) at random; returns float32 in [-1, 1]."""
    seed = tf.constant(random.integers(0, 2**31, 2), tf.int32)
    return _augmented(tf.constant(images), seed, shift=config.shift, flip=bool(config.flip))


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


LOOKED_AT = 500
"""Images of the bank that are predicted."""
LEAST_ENTROPY = 0.5
"""Share of the entropy of even predictions below which a generator has collapsed."""
LEAST_DIVERSITY = 0.02
"""Spread of pixels within a class, pixels being -1 to 1, below which a generator has collapsed."""


class Health:
    """Measures a teacher's images, uint8 (n, h, w, c), by its predictions."""

    def __init__(self, teacher: keras.Model) -> None:
        self._classes = int(teacher.output_shape[-1])
        self._at_once = at_once(teacher, LOOKED_AT)
        self._predict = compiled(
            lambda images: teacher(images, training=False),
            input_signature=[tf.TensorSpec((None, *teacher.input_shape[1:]), tf.float32)],
        )

    def of(self, bank: Pixels, seed: int) -> dict[str, float]:
        """Measure some of the images, uint8 (n, h, w, c).

        `confidence` is the mean of the highest probabilities; `entropy` is that of the mean
        probabilities as a share of log k (1: all classes alike); `diversity` is the mean spread of
        a pixel within a class, pixels being -1 to 1; `class_shares/3` is the share of images that
        are predicted to be of class 3.
        """
        indices = random_generator(Stream.HEALTH, seed).permutation(len(bank))[:LOOKED_AT]
        images = scale(bank[indices])
        logits = in_batches(lambda part: self._predict(tf.constant(part)), images, self._at_once)
        probabilities = tf.nn.softmax(logits).numpy().astype(np.float64)
        predicted = probabilities.argmax(axis=-1)
        return {
            "confidence": float(probabilities.max(axis=-1).mean()),
            "entropy": entropy(probabilities.mean(axis=0)),
            "diversity": diversity(images, predicted),
            **class_shares(predicted, self._classes),
        }


def class_shares(predicted: NDArray[np.integer], classes: int) -> dict[str, float]:
    """Return the share of each class in predictions (n,), as `class_shares/0`, `class_shares/1`."""
    shares = np.bincount(predicted, minlength=classes) / len(predicted)
    return {f"class_shares/{number}": float(share) for number, share in enumerate(shares)}


def entropy(shares: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the entropy of k shares that sum to 1, as a share of log k: 1 is even, 0 one class."""
    positive = np.array([share for share in shares if share > 0], np.float64)
    return float(-(positive * np.log(positive)).sum() / np.log(len(shares)))


def diversity(images: NDArray[np.float32], classes: NDArray[np.integer]) -> float:
    """Return the mean standard deviation of a pixel among images of one class.

    Over all pixels and images: images are (n, h, w, c), classes (n,). A class with one image has no
    spread and is left out; where all are such, the spread is that among all images.
    """
    found, counts = np.unique(classes, return_counts=True)
    if counts.max() < 2:
        return float(images.std(axis=0).mean())
    several = counts >= 2
    spreads = [images[classes == one].std(axis=0).mean() for one in found[several]]
    return float(np.average(spreads, weights=counts[several]))


def is_collapsed(health: Mapping[str, float]) -> bool:
    """Tell whether the health of new images is that of a generator that makes one image only."""
    return health["entropy"] < LEAST_ENTROPY or health["diversity"] < LEAST_DIVERSITY
