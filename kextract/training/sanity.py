"""Whether a teacher has anything to teach, and tells images apart; asked without data."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kextract.datasets.images import ENOUGH_IMAGES, Images, scale
from kextract.errors import CheckpointError
from kextract.methods.base import Classifier
from kextract.models.cost import in_batches
from kextract.models.input_range import NAMED
from kextract.models.made_up_images import probe_images
from kextract.teachers.black_box import pairs
from kextract.training.evaluation import FloatArray, log_softmax

LEAST_SPREAD = 1e-3
"""Logits that move by less over all probes are constant; untrained LeNets move theirs by 0.2."""
LEAST_SHARE = 1e-6
"""As much has to move in the softened probabilities; untrained networks move 5e-5 and more."""
TEMPERATURE = 4.0
LEAST_INFORMATION = 0.02
"""Nats that a prediction tells about an image.

Networks that get pixels 100 times too small tell 0.015 and less, those that get the right ones 0.25
and more.
"""


def probe_logits(
    teacher: Classifier, input_shape: tuple[int, int, int], size: int = 16
) -> FloatArray:
    """Return what a teacher of images (n, h, w, c) says, (n, k), of flat images and squares.

    It is given `size` images at a time.
    """
    probes = probe_images(input_shape)
    logits = in_batches(lambda part: teacher(tf.constant(scale(part))), probes, size)
    return logits.astype(np.float64)


def diagnose_teacher(
    logits: FloatArray,
    path: Path,
    validation: Images | None,
    teacher_logits: FloatArray | None,
) -> str | None:
    """Say in one line why a student cannot learn from this teacher; None for a sound one.

    `logits` (n, k) are its `probe_logits`, `teacher_logits` those on the validation images, where
    there are any. Raises CheckpointError, naming the file at `path`, where an answer is not finite,
    as of weights so large that they overflow.
    """
    for found in (logits, teacher_logits):
        if found is not None and not np.isfinite(found).all():
            raise CheckpointError(
                f"'{path}': the weights are finite, but the logits are not (NaN or infinity); a"
                " student cannot learn from such a teacher"
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


def check_tells_apart(
    logits: FloatArray, path: Path, channels: int, taken: str, *, by_label: bool = False
) -> None:
    """Raise CheckpointError for a teacher whose predictions are nearly alike for all images.

    `logits` (n, k) are those of images of many kinds with so many channels, and `taken` is what it
    is given in place of their pixels, as `--input-range` has it.
    """
    if by_label:
        logits = pairs(logits)
    if information(logits) >= LEAST_INFORMATION:
        return
    fitting = (name for name, known in NAMED.items() if known.channels in (None, channels))
    others = ", ".join(name for name in fitting if name != taken)
    sure = float(np.exp(log_softmax(logits)).max(axis=-1).mean())
    raise CheckpointError(
        f"'{path}': takes all images for nearly the same (confidence {sure:.2f}) when it is given"
        f" pixels as {taken}: they are probably the wrong ones; try --input-range with {others}"
    )


def information(logits: npt.NDArray[np.float64]) -> float:
    """Return the mutual information of image and predicted class, nats, from logits (n, k).

    Of logits (n, m, k) it is the sum over m things that are predicted.
    """
    logs = log_softmax(logits)
    shares = np.exp(logs)
    mean = shares.mean(axis=0)
    entropy = -(mean * np.log(np.maximum(mean, 1e-30))).sum()
    return float(entropy + (shares * logs).sum() / len(logs))
