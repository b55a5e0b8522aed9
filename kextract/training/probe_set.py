"""What a student that has no validation images is measured on: images that it is never taught with.

A student may agree with its teacher on its own images and on nothing else; see docs/methods.md.
"""

import numpy as np
import tensorflow as tf

from kextract.datasets.images import scale, unscale
from kextract.methods.base import Classifier
from kextract.methods.leaves import class_balanced
from kextract.models.batches import SMALL, in_batches
from kextract.models.made_up_images import drawings, photographs
from kextract.seeds import Stream, random_generator
from kextract.training.evaluation import Predictor, agreement_and_kl, log_softmax

COUNT, LEAST_COUNT = 256, 64
"""Images that are kept: fewer of more than `SMALL` pixels, of which each takes longer."""
CANDIDATES = 4
"""Images that are made up for each one that is kept, so that all classes are among them."""


class ProbeSet:
    """Procedural images like photographs and like drawings, the same for every run."""

    def __init__(
        self,
        teacher: Classifier,
        input_shape: tuple[int, int, int],
        *,
        size: int = 64,
        by_label: bool = False,
    ) -> None:
        """Take a teacher of images (n, h, w, c) in [-1, 1], `size` at a time, to logits (n, k)."""
        self._by_label = by_label
        pixels = input_shape[0] * input_shape[1]
        count = max(LEAST_COUNT, COUNT * SMALL // max(SMALL, pixels))
        half = count * CANDIDATES // 2
        made = [images(half, input_shape, seed=1) for images in (photographs, drawings)]
        images = unscale(2 * np.concatenate(made) - 1)
        logits = in_batches(lambda part: teacher(tf.constant(scale(part))), images, size)
        logits = logits.astype(np.float64)
        random = random_generator(Stream.UNSEEN, 0)
        chosen = class_balanced(random, np.exp(log_softmax(logits)).astype(np.float32), count)
        self._images, self._logits = images[chosen], logits[chosen]

    def measure(self, predictor: Predictor) -> dict[str, float]:
        """Return how a student's predictions agree with the teacher's, as details of an epoch."""
        agreement, kl = agreement_and_kl(
            predictor.logits(self._images), self._logits, by_label=self._by_label
        )
        return {"unseen_agreement": agreement, "unseen_kl": kl}
