"""Images to calibrate integers on, and to check a file with, when there is no data."""

from collections.abc import Generator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import unscale
from kextract.methods.base import MethodContext
from kextract.methods.generator import USUAL_IMAGES
from kextract.methods.inversion import synthesize_classes
from kextract.methods.shapes import draw_shapes
from kextract.models.cost import at_once, in_batches
from kextract.models.made_up_images import photographs
from kextract.models.statistics import batch_norm_layers
from kextract.records import Event, Progress
from kextract.seeds import Stream, random_generator

CANDIDATES, FEW_CANDIDATES = 8, 2
"""Random shapes that are drawn for each that is kept; fewer where a network is not quick."""
KEPT_AT_ONCE = 64


def calibration_images(
    context: MethodContext, count: int, *, steps: int
) -> Generator[Event, None, NDArray[np.uint8]]:
    """Make `count` images out of `context.teacher`, which may be a student just as well.

    Returns uint8 (count, h, w, c) of all classes in random order, and yields progress on the way.
    A network with batch normalization is inverted by `steps` of a new generator, as `synthesize`
    does it, for half of them: such images alone keep features in a range that real ones leave.
    Where that takes too long, see `is_quick`, half are made-up photographs. The others, and all of
    a network without, are random shapes that it is sure of. Raises NonFiniteError.
    """
    half = count // 2 if batch_norm_layers(context.teacher) else 0
    images = yield from procedural_images(context, count - half)
    if not half:
        return images
    random = _random(context, 0)
    if is_quick(context):
        drawn = yield from synthesize_classes(context, steps, -(-half // context.classes))
        others = drawn.images[random.permutation(len(drawn.images))[:half]]
    else:
        others = yield from _photographs(context, half)
    return np.concatenate([images, others])[random.permutation(count)]


def procedural_images(
    context: MethodContext, count: int
) -> Generator[Event, None, NDArray[np.uint8]]:
    """Draw `count` random shapes, uint8 (count, h, w, c), that the teacher is sure of.

    Of `CANDIDATES` times as many, or `FEW_CANDIDATES` of large images, those are kept, as many of
    each class. Takes seconds, and no training.
    """
    parts: list[NDArray[np.uint8]] = []
    while (filled := KEPT_AT_ONCE * len(parts)) < count:
        yield Progress(1, "drawing shapes", filled, count, filled)
        parts.append(_sure_shapes(context, _random(context, 1 + len(parts))))
    images = np.concatenate(parts)
    return images[_random(context, 0).permutation(len(images))[:count]]


def is_quick(context: MethodContext) -> bool:
    """Tell whether a generator's steps are: there is memory for as many images as usual."""
    return at_once(context.teacher, USUAL_IMAGES, all_held=True) == USUAL_IMAGES


def _photographs(context: MethodContext, count: int) -> Generator[Event, None, NDArray[np.uint8]]:
    images = np.empty((count, *context.input_shape), np.uint8)
    for done in range(0, count, KEPT_AT_ONCE):
        yield Progress(1, "drawing photographs", done, count, done)
        some = images[done : done + KEPT_AT_ONCE]
        some[...] = unscale(2 * photographs(len(some), context.input_shape, seed=2 + done) - 1)
    return images


def _sure_shapes(context: MethodContext, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw shapes and keep `KEPT_AT_ONCE` that the teacher is sure of: uint8 (n, h, w, c)."""
    total = (CANDIDATES if is_quick(context) else FEW_CANDIDATES) * KEPT_AT_ONCE
    size = at_once(context.input_shape, total)
    held = at_once(context.teacher, size, all_held=True)
    drawn, probabilities = [], []
    for start in range(0, total, size):
        shape = (min(size, total - start), *context.input_shape)
        seed = tf.constant(random.integers(0, 2**31, 2, np.int32))
        images = draw_shapes(shape, seed).numpy()
        logits = in_batches(
            lambda part: context.required_classifier(tf.constant(part)), images, held
        )
        probabilities.append(tf.nn.softmax(tf.cast(logits, tf.float32)).numpy())
        drawn.append(unscale(images))
    return np.concatenate(drawn)[most_confident(np.concatenate(probabilities), KEPT_AT_ONCE)]


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
