"""Dead leaves for a student: crops of procedural canvases, as many of each answer.

Nothing but the teacher's outputs is used: no gradient, no stored statistics, no data. Source: Frank
& Davis 2025, "What makes a good dataset for knowledge distillation?", for procedural images that
are chosen uniformly by the teacher's answer; that a missing answer is looked for among crops like
those that came nearest to it is ours.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.pixels import scale, unscale
from kextract.graph import compiled
from kextract.records import Event, Progress
from kextract.seeds import Stream, random_generator
from kextract.transfer.crops import GENES, Cutter, Genes, Pixels, mutated
from kextract.transfer.dead_leaves import canvas
from kextract.transfer.source import SourceContext
from kextract.transfer.stored import sample

MOST_CANVASES = 48
CROPS_OF_A_CANVAS = 512
CANVAS_SIDE = 512
ASKED_AT_ONCE = 256
SEARCHES = 4
"""How many times crops are looked for that are taken for what is missing."""
PARENTS = 64
"""Crops nearest to a missing class that others are made like."""
STRENGTH = 0.05
"""Standard deviation of what a gene is changed by."""

Probabilities = NDArray[np.float32]


class Leaves:
    """Batches from a pool of `leaves` crops that is drawn before the first update."""

    def __init__(self, context: SourceContext) -> None:
        self._config = context.config
        self._shape = context.input_shape
        self._ask = _compile_ask(context)
        self._pool: Pixels | None = None
        self._probabilities = np.zeros((0, context.classes), np.float32)
        self._step = (0, 0)

    def refresh(self, epoch: int, step: int) -> Iterator[Event]:
        """Draw the pool, if there is none."""
        self._step = (epoch, step)
        if self._pool is None:
            yield from self._fill(epoch)

    def batch(self) -> tf.Tensor:
        """Return float32 images (n, h, w, c) in [-1, 1], shifted and mirrored at random."""
        assert self._pool is not None, "refreshed before"
        return sample(self._pool, self._config, *self._step)

    def metrics(self) -> dict[str, float]:
        """Return the shares of the pool's predictions, and their entropy as a share of log k."""
        classes = self._probabilities.shape[1]
        shares = np.bincount(self._probabilities.argmax(axis=1), minlength=classes) / len(
            self._probabilities
        )
        some = shares[shares > 0]
        return {
            **{f"class_shares/{number}": float(share) for number, share in enumerate(shares)},
            "entropy": float(-(some * np.log(some)).sum() / np.log(classes)),
            "confidence": float(self._probabilities.max(axis=1).mean()),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return nothing: the pool follows from the seed and the teacher."""
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing: there is nothing to remember."""

    def _fill(self, epoch: int) -> Iterator[Event]:
        """Draw as many crops as the pool holds, then search for classes that are missing."""
        count = self._config.leaves
        random = random_generator(Stream.LEAVES, self._config.seed)
        canvases = yield from painted(random, count, self._shape[-1], epoch)
        cutter = Cutter(canvases, *self._shape[:2])
        genes = random.random((count, GENES))
        probabilities = np.zeros((0, self._probabilities.shape[1]), np.float32)
        total = count + SEARCHES * (count // 2)
        for search in range(SEARCHES + 1):
            if search:
                genes = np.concatenate([genes, children(random, genes, probabilities, count // 2)])
            while len(probabilities) < len(genes):
                some = genes[len(probabilities) : len(probabilities) + ASKED_AT_ONCE]
                probabilities = np.concatenate([probabilities, self._ask(cutter.cut(some))])
                yield Progress(
                    epoch, "cutting leaves", len(probabilities), total, len(probabilities)
                )
        chosen = evenly(random, probabilities, count)
        self._probabilities = probabilities[chosen]
        self._pool = cutter.cut(genes[chosen])


def painted(
    random: np.random.Generator, crops: int, channels: int, epoch: int
) -> Generator[Event, None, Pixels]:
    """Paint canvases for so many crops and return them, uint8 (n, side, side, channels)."""
    count = min(MOST_CANVASES, -(-crops // CROPS_OF_A_CANVAS))
    canvases = []
    for number in range(count):
        canvases.append(unscale(canvas(random, CANVAS_SIDE, channels)))
        yield Progress(epoch, "painting leaves", number + 1, count, 0)
    return np.stack(canvases)


def children(
    random: np.random.Generator, genes: Genes, probabilities: Probabilities, count: int
) -> Genes:
    """Return `count` genes near those that came nearest to classes that are missing.

    `probabilities` are (n, k). A class gets the more the further it is from an even share.
    """
    classes = probabilities.shape[1]
    found = np.bincount(probabilities.argmax(axis=1), minlength=classes)
    missing = np.maximum(0, found.sum() / classes - found)
    if not missing.any():
        return random.random((count, genes.shape[1]))
    wanted = random.choice(classes, count, p=missing / missing.sum())
    nearest = np.argpartition(-probabilities, min(PARENTS, len(probabilities) - 1), axis=0)[
        :PARENTS
    ]
    parents = nearest[random.integers(0, len(nearest), count), wanted]
    return mutated(random, genes[parents], STRENGTH)


def evenly(
    random: np.random.Generator, probabilities: Probabilities, count: int
) -> NDArray[np.int64]:
    """Return `count` indices in probabilities (n, k), as many of each class as there can be.

    A class that fewer are taken for gets those that came nearest to it; which of its own are
    taken, sure ones or not, is left to chance.
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


def _compile_ask(context: SourceContext) -> Callable[[Pixels], Probabilities]:
    @compiled(reduce_retracing=True)
    def predict(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.cast(context.required_classifier(images), tf.float32))

    def ask(pixels: Pixels) -> Probabilities:
        found: Probabilities = predict(tf.constant(scale(pixels))).numpy()
        return found

    return ask
