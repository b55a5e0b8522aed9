"""How healthy drawn images are, without any data: by the teacher's predictions and the pixels."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.pixels import scale
from kextract.graph import compiled
from kextract.seeds import Stream, random_generator

LOOKED_AT = 500
"""Images of the bank that are looked at."""
ENOUGH_STEPS = 50
"""Steps after which a generator has to draw properly; before, it has not learned yet."""
LEAST_ENTROPY = 0.5
"""Share of the entropy of even predictions below which a generator has collapsed."""
FOLLOWED = 0.5
"""Share of images answered as requested from which on a generator follows its requests."""
LEAST_REQUESTED = 0.25
"""The share below which one that did so has stopped."""
LEAST_DIVERSITY = 0.02
"""Spread of pixels within a class, pixels being -1 to 1, below which a generator has collapsed."""
CLASS_SHARES = "class_shares/"


class Health:
    """Asks a teacher about images."""

    def __init__(self, teacher: keras.Model) -> None:
        self._classes = int(teacher.output_shape[-1])
        self._answer = compiled(
            lambda images: teacher(images, training=False),
            input_signature=[tf.TensorSpec((None, *teacher.input_shape[1:]), tf.float32)],
        )

    def of(self, bank: NDArray[np.uint8], seed: int) -> dict[str, float]:
        """Look at some of the images, uint8 (n, h, w, c).

        `confidence` is the mean probability of the teacher's answer; `entropy` is that of the mean
        of its predictions as a share of log k (1: all classes alike); `diversity` is the mean
        spread of a pixel within a class, pixels being -1 to 1; `class_shares/3` is the share of
        images that are predicted to be of class 3.
        """
        indices = random_generator(Stream.HEALTH, seed).permutation(len(bank))[:LOOKED_AT]
        images = scale(bank[indices])
        probabilities = tf.nn.softmax(self._answer(tf.constant(images))).numpy().astype(np.float64)
        predictions = probabilities.argmax(axis=-1)
        shares = np.bincount(predictions, minlength=self._classes) / len(predictions)
        mean = probabilities.mean(axis=0)
        return {
            "confidence": float(probabilities.max(axis=-1).mean()),
            "entropy": _entropy(mean) / np.log(self._classes),
            "diversity": diversity(images, predictions),
            **{f"{CLASS_SHARES}{number}": float(share) for number, share in enumerate(shares)},
        }


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
    """Say whether the health of new images is that of a generator that draws one thing only."""
    return health["entropy"] < LEAST_ENTROPY or health["diversity"] < LEAST_DIVERSITY


def _entropy(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
