"""Random shapes: blobs and strokes cut out of smooth noise, as cheap as noise and far more useful.

What makes images images is that neighbouring pixels belong together and that things have outlines.
Noise has neither. Source of the idea: Baradad et al. 2021, "Learning to see by looking at noise",
which learns features from such images; here a teacher labels them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import unscale
from kextract.methods.base import Batch, Method, MethodContext
from kextract.methods.registry import SHAPES_UPDATES, most_shapes
from kextract.methods.stored import sample
from kextract.models.cost import at_once
from kextract.records import Event, Progress
from kextract.runtime import compiled
from kextract.seeds import Stream, seed_sequence

GRIDS = (3, 4, 5, 6, 7, 8, 10, 14)
"""Sides of the noise that is enlarged to the image: from a few large shapes to many small ones."""
DRAWN_AT_ONCE = 1024


class RandomShapes(Method):
    """Batches from a pool of random shapes, which is drawn anew now and then.

    Of `candidates` times as many shapes, those are kept of the top confidence, as many of
    each class. Source of the choice: Chen et al. 2021, "Learning student networks in the wild",
    section 3.2, there for photographs.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._at_once = drawn_at_once(context)
        self._parts = -(-most_shapes(context.input_shape) // self._at_once)
        self._draw = _compile_draw(context, self._at_once)
        self._pool = np.zeros((0, *context.input_shape), np.uint8)
        self._number = -1

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        """Draw a new pool, if it is time."""
        number = ((epoch - 1) * self._config.steps_per_epoch + step) // SHAPES_UPDATES
        if number == self._number:
            return
        parts = []
        for part in range(self._parts):
            seed = seed_sequence(Stream.SHAPES, self._config.seed, number, part)
            parts.append(unscale(self._draw(seed.generate_state(2).astype(np.int32)).numpy()))
            drawn = (part + 1) * self._at_once
            yield Progress(epoch, "drawing shapes", part + 1, self._parts, drawn)
        self._pool, self._number = np.concatenate(parts), number

    def _make_batch(self) -> Batch:
        return Batch(sample(self._pool, self._config, *self._step))


def drawn_at_once(context: MethodContext) -> int:
    """Return how many shapes of a pool are drawn, and shown to the teacher, at once."""
    candidates = context.config.candidates
    most = candidates * DRAWN_AT_ONCE
    size = min(at_once(about, most) for about in (context.input_shape, context.teacher))
    # Of every grid there should be some.
    return max(1, max(size, 2 * len(GRIDS)) // candidates)


def _compile_draw(context: MethodContext, kept: int) -> Callable[[NDArray[np.int32]], tf.Tensor]:
    candidates = context.config.candidates
    height, width, channels = context.input_shape

    @compiled(input_signature=[tf.TensorSpec((2,), tf.int32)])
    def draw(seed: tf.Tensor) -> tf.Tensor:
        images = draw_shapes((candidates * kept, height, width, channels), seed)
        if candidates == 1:
            return images
        return tf.gather(images, most_confident(context.required_classifier(images), kept))

    return draw  # type: ignore[no-any-return]


def draw_shapes(shape: tuple[int, int, int, int], seed: tf.Tensor) -> tf.Tensor:
    """Return float32 images (n, h, w, c) in [-1, 1]: ink of one colour on ground of another.

    `seed` is int32 (2,). Ink lies where a smooth field is above a level (a blob), near a level (a
    stroke along its contour), or near a level where another field is positive (an open stroke).
    Edges are soft or hard. Grey images are black and white; colours are any two.
    """
    count, _, _, channels = shape
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 9))

    def uniform(index: int, low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform((count, 1, 1, 1), seeds[index], low, high)

    fields = _smooth_fields(shape, seeds[0])
    level = 0.7 * tf.random.stateless_normal((count, 1, 1, 1), seeds[1])
    blob = (fields - tf.abs(level)) * tf.exp(uniform(2, -0.5, 2.5))
    stroke = (uniform(3, 0.1, 0.6) - tf.abs(fields - level)) * tf.exp(uniform(4, 0.5, 2.5))
    kind = uniform(5, 0.0, 1.0)
    window = _smooth_fields(shape, seeds[6], grids=GRIDS[1:2])
    stroke = tf.where((kind > 0.6) & (window < 0.0), -10.0, stroke)
    ink = tf.tanh(tf.where(kind < 0.3, blob, stroke))
    if channels == 1:
        return tf.where(uniform(7, 0.0, 1.0) < 0.5, ink, -ink)
    ground, paint = (
        tf.random.stateless_uniform((count, 1, 1, channels), one, -1.0, 1.0) for one in seeds[7:]
    )
    return ground + (paint - ground) * (ink + 1.0) / 2.0


def most_confident(logits: tf.Tensor, count: int) -> tf.Tensor:
    """Return int32 indices (count,) into logits (n, k): top confidence, as many of each class.

    What is left over, and what a class has too little of, is filled with the first indices.
    """
    classes = logits.shape[-1]
    confidence = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    answered = tf.one_hot(tf.argmax(logits, axis=-1), classes, axis=0)
    indices = tf.math.top_k(answered * confidence, count // classes).indices
    return tf.concat([tf.reshape(indices, [-1]), tf.range(count % classes)], axis=0)


def _smooth_fields(
    shape: tuple[int, int, int, int], seed: tf.Tensor, grids: tuple[int, ...] = GRIDS
) -> tf.Tensor:
    """Return smooth noise (n, h, w, 1) of unit variance, as many images of each grid size."""
    count, height, width, _ = shape
    parts = np.array_split(np.arange(count), len(grids))
    fields = []
    for number, (part, side) in enumerate(zip(parts, grids, strict=True)):
        if not len(part):
            continue
        noise = tf.random.stateless_normal((len(part), side, side, 1), seed + number)
        field = tf.image.resize(noise, (height, width), method="bicubic")
        fields.append(field / tf.math.reduce_std(field, axis=[1, 2, 3], keepdims=True))
    # In random order, so that the first indices are of all sizes.
    order = tf.random.experimental.stateless_shuffle(tf.range(count), seed)
    return tf.gather(tf.concat(fields, axis=0), order)
