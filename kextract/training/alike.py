"""Whether a network of another program tells images apart at all, or was given the wrong pixels."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kextract.datasets.images import scale
from kextract.errors import CheckpointError
from kextract.methods.base import Classifier
from kextract.models.batches import in_batches
from kextract.models.input_range import NAMED
from kextract.models.made_up_images import drawings, photographs, probe_images
from kextract.teachers.black_box import pairs
from kextract.training.evaluation import log_softmax

LEAST_INFORMATION = 0.02
"""Nats that a prediction tells about an image.

Networks that get pixels 100 times too small tell 0.015 and less, those that get the right ones 0.25
and more.
"""
_EACH = 32


def check_tells_apart(
    teacher: Classifier,
    path: Path,
    input_shape: tuple[int, int, int],
    taken: str,
    *,
    size: int = 16,
    by_label: bool = False,
) -> None:
    """Raise CheckpointError for a teacher whose predictions are nearly alike for all images.

    `teacher` maps images (n, h, w, c) in [-1, 1], `size` at a time, to logits (n, k), and `taken`
    is what it is given in place of them, as `--input-range` has it. Images are flat ones, squares,
    made-up photographs and drawings.
    """
    images = np.concatenate(
        [
            scale(probe_images(input_shape)),
            2 * photographs(_EACH, input_shape) - 1,
            2 * drawings(_EACH, input_shape) - 1,
        ]
    ).astype(np.float32)
    logits = in_batches(lambda part: teacher(tf.constant(part)), images, size).astype(np.float64)
    if by_label:
        logits = pairs(logits)
    if information(logits) >= LEAST_INFORMATION:
        return
    fitting = (name for name, known in NAMED.items() if known.channels in (None, input_shape[2]))
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
