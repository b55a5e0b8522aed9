"""Images to calibrate integers on, and to check a file with, when there is no data."""

from collections.abc import Generator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.pixels import unscale
from kextract.methods.base import MethodContext
from kextract.methods.shapes import draw_shapes
from kextract.methods.synthesis import synthesize_classes
from kextract.models.statistics import batch_norm_layers
from kextract.records import Event, Progress
from kextract.seeds import Stream, random_generator

CANDIDATES = 8
"""Random shapes that are drawn for each that is kept."""
KEPT_AT_ONCE = 64


def calibration_images(
    context: MethodContext, count: int, *, steps: int
) -> Generator[Event, None, NDArray[np.uint8]]:
    """Make `count` images out of `context.teacher`, which may be a student just as well.

    Returns uint8 (count, h, w, c) of all classes in random order, and yields progress on the way.
    A network with batch normalization is inverted by `steps` of a new generator, as `synthesize`
    does it, for half of them: such images alone keep features in a range that real ones leave. The
    others, and all of a network without, are random shapes that it is sure of. Raises
    NonFiniteError.
    """
    inverted = count // 2 if batch_norm_layers(context.teacher) else 0
    images = yield from procedural_images(context, count - inverted)
    if not inverted:
        return images
    drawn = yield from synthesize_classes(context, steps, -(-inverted // context.classes))
    random = _random(context, 0)
    some = random.permutation(len(drawn.images))[:inverted]
    return np.concatenate([images, drawn.images[some]])[random.permutation(count)]


def procedural_images(
    context: MethodContext, count: int
) -> Generator[Event, None, NDArray[np.uint8]]:
    """Draw `count` random shapes, uint8 (count, h, w, c), that the teacher is sure of.

    Of eight times as many, those are kept, as many of each class. Takes seconds, and no training.
    """
    shape = (CANDIDATES * KEPT_AT_ONCE, *context.input_shape)
    parts: list[NDArray[np.uint8]] = []
    while (filled := KEPT_AT_ONCE * len(parts)) < count:
        yield Progress(1, "drawing shapes", filled, count, filled)
        seed = _random(context, 1 + len(parts)).integers(0, 2**31, 2, np.int32)
        images = draw_shapes(shape, tf.constant(seed))
        probabilities = tf.nn.softmax(
            tf.cast(context.required_classifier(images), tf.float32)
        ).numpy()
        parts.append(unscale(images.numpy()[most_confident(probabilities, KEPT_AT_ONCE)]))
    images = np.concatenate(parts)
    return images[_random(context, 0).permutation(len(images))[:count]]


def most_confident(probabilities: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return `count` different indices in probabilities (n, k), the most confident predictions.

    Of every class as many, where there are as many; the rest is filled regardless of class.
    """
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    predicted = probabilities.argmax(axis=1)[order]
    rank = np.zeros(len(order), np.intp)
    for label in range(probabilities.shape[1]):
        same = predicted == label
        rank[same] = np.arange(same.sum())
    first = rank < count // probabilities.shape[1]
    return np.concatenate([order[first], order[~first]])[:count]


def _random(context: MethodContext, number: int) -> np.random.Generator:
    return random_generator(Stream.CALIBRATION, context.config.seed, number)
