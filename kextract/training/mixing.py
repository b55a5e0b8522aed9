"""CutMix: images of a batch pasted into each other, and the teacher asked about what comes out."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.methods.base import Batch
from kextract.seeds import Stream, random_generator


class CutMix:
    """Pastes a rectangle of the next image of the batch into a share of the images.

    Source: Yun et al. 2019, "CutMix", section 3.1, here with a rectangle for each image. Labels are
    not mixed: the teacher labels what came out, as in Beyer et al. 2022, "Knowledge distillation:
    a good teacher is patient and consistent", section 3.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._seed = seed

    def mixed(self, batch: Batch, epoch: int, step: int) -> Batch:
        """Return the batch, mixed as seed, epoch and step alone decide.

        Raises RequestError for a batch that comes with logits: the teacher has not predicted the
        mixed images.
        """
        if not self._share:
            return batch
        images, logits = batch
        if logits is not None:
            raise RequestError(
                f"--cutmix {self._share:g}: asks the teacher about mixed images, but the images"
                " come with logits that it gave before; leave it out"
            )
        random = random_generator(Stream.MIXING, self._seed, epoch, step)
        count, height, width, _ = images.shape
        pasted = rectangles(random, count, height, width)
        pasted &= (random.random(count) < self._share)[:, None, None]
        return Batch(tf.where(pasted[..., None], tf.roll(images, 1, axis=0), images))


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
