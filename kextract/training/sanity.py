"""Whether a teacher has anything to teach; asked before a student is taught, without data."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kextract.datasets.images import ENOUGH_IMAGES, Images, scale
from kextract.errors import CheckpointError
from kextract.methods.base import Classifier
from kextract.models.batches import in_batches
from kextract.models.made_up_images import probe_images
from kextract.training.evaluation import FloatArray, log_softmax

LEAST_SPREAD = 1e-3
"""Logits that move by less over all probes are constant; untrained LeNets move theirs by 0.2."""
LEAST_SHARE = 1e-6
"""As much has to move in the softened probabilities; untrained networks move 5e-5 and more."""
TEMPERATURE = 4.0


def diagnose_teacher(
    teacher: Classifier,
    path: Path,
    input_shape: tuple[int, int, int],
    validation: Images | None,
    teacher_logits: FloatArray | None,
    *,
    size: int = 16,
) -> str | None:
    """Say in one line why a student cannot learn from this teacher; None for a sound one.

    `teacher` maps images (n, h, w, c) to logits (n, k); `teacher_logits` are those on the
    validation images, where there are any; it is given `size` images at a time. Raises
    CheckpointError, naming the file at `path`, where an answer is not finite, as of weights so
    large that they overflow.
    """
    probes = probe_images(input_shape)
    logits = in_batches(lambda part: teacher(tf.constant(scale(part))), probes, size)
    logits = logits.astype(np.float64)
    for found in (logits, teacher_logits):
        if found is not None and not np.isfinite(found).all():
            raise CheckpointError(
                f"'{path}': the weights are numbers, but the logits that they give are not: NaN"
                " or infinity; such a teacher cannot be learnt from"
            )
    if _is_constant(logits):
        return (
            "the teacher gives the same answer to every image: it looks dead, and a student can"
            " learn nothing from it"
        )
    if validation is None or teacher_logits is None:
        return None
    return _doubt_by_images(teacher_logits, validation.y)


def _is_constant(logits: FloatArray) -> bool:
    """Tell whether logits (n, k) say the same of all images, as a student would see them."""
    if np.ptp(logits - logits.mean(axis=-1, keepdims=True), axis=0).max() < LEAST_SPREAD:
        return True
    # A huge bias leaves the logits moving and their softmax not.
    shares = np.exp(log_softmax(logits / TEMPERATURE))
    return bool(np.ptp(shares, axis=0).max() < LEAST_SHARE)


def _doubt_by_images(logits: FloatArray, labels: npt.NDArray[np.integer]) -> str | None:
    predictions, count = logits.argmax(axis=-1), len(labels)
    if np.ptp(predictions) == 0 and np.ptp(labels) > 0:
        return (
            f"the teacher gives the same class to all {count} validation images: it looks"
            " collapsed, and a student can learn little from it"
        )
    accuracy, chance = float((predictions == labels).mean()), 1 / logits.shape[-1]
    error = float(np.sqrt(chance * (1 - chance) / count))
    if count < ENOUGH_IMAGES or accuracy > chance + 2 * error:
        return None
    return (
        f"the teacher is right on {accuracy:.1%} of the validation images, and guessing would be"
        f" on {chance:.1%}: a student can learn little from it"
    )
