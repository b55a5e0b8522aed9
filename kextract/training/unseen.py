"""What a student that has no validation images is measured on: images that it is never taught with.

A student may agree with its teacher on its own images and on nothing else; see docs/methods.md.
"""

import numpy as np
import tensorflow as tf

from kextract.datasets.pixels import scale, unscale
from kextract.methods.base import Classifier
from kextract.methods.leaves import class_balanced
from kextract.models.made_up_images import drawings, photographs
from kextract.seeds import Stream, random_generator
from kextract.training.evaluation import Predictor, likeness, log_softmax

COUNT = 256
CANDIDATES = 4
"""Images that are made up for each one that is kept, so that all classes are among them."""
_AT_ONCE = 64


class Unseen:
    """Procedural images like photographs and like drawings, the same for every run."""

    def __init__(self, teacher: Classifier, input_shape: tuple[int, int, int]) -> None:
        """Take a teacher of images (n, h, w, c) in [-1, 1] to logits (n, k)."""
        half = COUNT * CANDIDATES // 2
        made = [images(half, input_shape, seed=1) for images in (photographs, drawings)]
        images = unscale(2 * np.concatenate(made) - 1)
        logits = np.concatenate(
            [
                np.asarray(teacher(tf.constant(scale(images[start : start + _AT_ONCE]))), float)
                for start in range(0, len(images), _AT_ONCE)
            ]
        )
        random = random_generator(Stream.UNSEEN, 0)
        chosen = class_balanced(random, np.exp(log_softmax(logits)).astype(np.float32), COUNT)
        self._images, self._logits = images[chosen], logits[chosen]

    def measure(self, predictor: Predictor) -> dict[str, float]:
        """Return how a student's predictions agree with the teacher's, as details of an epoch."""
        agreement, kl = likeness(predictor.logits(self._images), self._logits)
        return {"unseen_agreement": agreement, "unseen_kl": kl}
