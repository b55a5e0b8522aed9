"""Crops of painted canvases for a student, as many of each class.

Nothing but the teacher's outputs is used: no gradient, no stored statistics, no data. Source: Frank
& Davis 2025, "What makes a good dataset for knowledge distillation?", for procedural images that
are chosen uniformly by the teacher's prediction; the search for a missing class, among crops like
those that came nearest to it, is ours.
"""

from collections.abc import Callable, Generator, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import Pixels, scale
from kextract.methods.base import Batch, Method, MethodContext
from kextract.methods.canvases import (
    CROP_PARAMETERS,
    Cutter,
    Parameters,
    canvas,
    canvases_for,
    perturb,
)
from kextract.methods.registry import LEAVES, most_leaves
from kextract.methods.stored import class_shares, entropy, sample
from kextract.models.cost import at_once
from kextract.records import Event, Note, Progress
from kextract.runtime import compiled
from kextract.seeds import Stream, random_generator

PREDICTED_AT_ONCE = 256
SEARCHES = 4
"""How many times crops of missing classes are searched for."""
NEAREST = 64
"""Crops nearest to a missing class that others are made like."""
STRENGTH = 0.05
"""Standard deviation of the change of a crop's parameters."""

Probabilities = NDArray[np.float32]


class Crops(Method):
    """Batches from a pool of `leaves` crops that is filled before the first update.

    The canvases are of the kind that the method is named after.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._shape = context.input_shape
        self._teacher = context.teacher
        self._predict = _compile_predict(context)
        self._pool: Pixels | None = None
        self._probabilities = np.zeros((0, context.classes), np.float32)

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        """Fill the pool, if it is empty: it follows from the seed and the teacher."""
        if self._pool is None:
            yield from self._fill(epoch)

    def _make_batch(self) -> Batch:
        assert self._pool is not None, "refreshed before"
        return Batch(sample(self._pool, self._config, *self._step))

    def metrics(self) -> dict[str, float]:
        """Return the shares of the pool's predictions, and their entropy as a share of log k."""
        shares = class_shares(self._probabilities.argmax(axis=1), self._probabilities.shape[1])
        return {
            **shares,
            "entropy": entropy([*shares.values()]),
            "confidence": float(self._probabilities.max(axis=1).mean()),
        }

    def _fill(self, epoch: int) -> Iterator[Event]:
        """Cut as many crops as the pool holds, then search for classes that are missing."""
        count = self._config.leaves or most_leaves(self._shape)
        if count < LEAVES and self._config.leaves is None:
            yield Note(f"of large images {count:,} crops are cut and not {LEAVES:,} (--leaves)")
        random = random_generator(Stream.LEAVES, self._config.seed)
        canvases = yield from self._paint(random, count, epoch)
        cutter = Cutter(canvases, *self._shape[:2])
        parameters = random.random((count, CROP_PARAMETERS))
        probabilities = np.zeros((0, self._probabilities.shape[1]), np.float32)
        total = count + SEARCHES * (count // 2)
        size = at_once(self._teacher, PREDICTED_AT_ONCE)
        for search in range(SEARCHES + 1):
            if search:
                more = like_missing_classes(random, parameters, probabilities, count // 2)
                parameters = np.concatenate([parameters, more])
            while (done := len(probabilities)) < len(parameters):
                crops = cutter.cut(parameters[done : done + size])
                probabilities = np.concatenate([probabilities, self._predict(crops)])
                done = len(probabilities)
                yield Progress(epoch, "cutting crops", done, total, done)
        chosen = class_balanced(random, probabilities, count)
        self._probabilities = probabilities[chosen]
        self._pool = cutter.cut(parameters[chosen])

    def _paint(
        self, random: np.random.Generator, crops: int, epoch: int
    ) -> Generator[Event, None, Pixels]:
        """Paint canvases for so many crops: uint8 (n, side, side, channels)."""
        count, kind = canvases_for(crops), self._config.method
        canvases = []
        for number in range(count):
            canvases.append(canvas(random, kind, number, self._shape[-1]))
            yield Progress(epoch, "painting canvases", number + 1, count, 0)
        return np.stack(canvases)


def like_missing_classes(
    random: np.random.Generator, parameters: Parameters, probabilities: Probabilities, count: int
) -> Parameters:
    """Return `count` rows of parameters near those of the crops nearest to missing classes.

    `probabilities` (n, k) are those of `parameters`. A class gets the more rows the further it is
    from an even share.
    """
    classes = probabilities.shape[1]
    found = np.bincount(probabilities.argmax(axis=1), minlength=classes)
    missing = np.maximum(0, found.sum() / classes - found)
    if not missing.any():
        return random.random((count, parameters.shape[1]))
    requested = random.choice(classes, count, p=missing / missing.sum())
    nearest = np.argpartition(-probabilities, min(NEAREST, len(probabilities) - 1), axis=0)[
        :NEAREST
    ]
    rows = nearest[random.integers(0, len(nearest), count), requested]
    return perturb(random, parameters[rows], STRENGTH)


def class_balanced(
    random: np.random.Generator, probabilities: Probabilities, count: int
) -> NDArray[np.int64]:
    """Return `count` indices in probabilities (n, k), as many of each class as there can be.

    A class that is predicted too rarely gets the images with its highest probabilities; which of
    its own are taken, confident ones or not, is left to chance.
    """
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    taken = np.zeros(len(probabilities), np.bool_)
    for label in random.permutation(classes):
        own = random.permutation(np.flatnonzero(predicted == label))
        taken[own[: count // classes]] = True
    for label in random.permutation(classes):
        short = count // classes - int((taken & (predicted == label)).sum())
        if short > 0:
            near = np.where(taken, -1.0, probabilities[:, label])
            taken[np.argsort(-near, kind="stable")[:short]] = True
    rest = random.permutation(np.flatnonzero(~taken))
    taken[rest[: count - int(taken.sum())]] = True
    return np.flatnonzero(taken)


def _compile_predict(context: MethodContext) -> Callable[[Pixels], Probabilities]:
    @compiled(reduce_retracing=True)
    def predict(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(context.required_classifier(images), tf.float32))

    def probabilities_of(pixels: Pixels) -> Probabilities:
        found: Probabilities = predict(tf.constant(scale(pixels))).numpy()
        return found

    return probabilities_of
