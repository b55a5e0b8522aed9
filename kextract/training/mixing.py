"""CutMix: images of a batch pasted into each other, and the teacher asked about what comes out."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.seeds import Stream, random_generator
from kextract.transfer.source import Batch

LEAST = 1e-12
"""A probability of 0 has no logarithm."""


class CutMix:
    """Pastes a rectangle of the next image of the batch into a share of the images.

    Source: Yun et al. 2019, "CutMix", section 3.1, here with a rectangle for each image. The
    teacher answers what came out, as in Beyer et al. 2022, "Knowledge distillation: a good teacher
    is patient and consistent", section 3; where it cannot be asked again, probabilities are mixed.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._seed = seed

    def mixed(self, batch: Batch, epoch: int, step: int) -> Batch:
        """Return the batch, mixed as seed, epoch and step alone decide.

        Of images that come with logits (n, k) the probabilities are mixed, by area.
        """
        if not self._share:
            return batch
        images, logits = batch
        random = random_generator(Stream.MIXING, self._seed, epoch, step)
        count, height, width, _ = images.shape
        pasted = rectangles(random, count, height, width)
        pasted &= (random.random(count) < self._share)[:, None, None]
        images = tf.where(pasted[..., None], tf.roll(images, 1, axis=0), images)
        if logits is None:
            return Batch(images)
        area = pasted.mean(axis=(1, 2)).astype(np.float32)[:, None]
        own = tf.nn.softmax(logits)
        probabilities = (1 - area) * own + area * tf.roll(own, 1, axis=0)
        return Batch(images, tf.math.log(tf.maximum(probabilities, LEAST)))


def rectangles(
    random: np.random.Generator, count: int, height: int, width: int
) -> NDArray[np.bool_]:
    """Return masks (n, h, w) that are true within a rectangle of the image's proportions.

    Its share of the area is uniform before what lies beyond the border is cut off; its centre is
    anywhere in the image.
    """
    side = np.sqrt(random.random(count))
    inside = []
    for size in (height, width):
        distance = np.abs(np.arange(size) + 0.5 - size * random.random(count)[:, None])
        inside.append(distance <= size * side[:, None] / 2)
    rows, columns = inside
    masks: NDArray[np.bool_] = rows[:, :, None] & columns[:, None, :]
    return masks
