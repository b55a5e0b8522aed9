"""Images of a generator that is trained against the teacher: for a student, or of every class."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import Labels, Pixels, scale, unscale
from kextract.errors import NonFiniteError, RequestError
from kextract.methods.base import Batch, Method, MethodContext, within
from kextract.methods.generator import (
    Synthesizer,
    about_batch_size,
    distance_to_stored,
    has_statistics,
)
from kextract.methods.stored import LOOKED_AT, Bank, Health, diversity, is_collapsed, sample
from kextract.models.statistics import logits_and_inputs
from kextract.records import Event, Note, Progress
from kextract.runtime import compiled

ENOUGH_STEPS = 50
"""Steps after which a generator is judged; before, it has not learned yet."""
FOLLOWED = 0.5
"""Share of images predicted as requested from which on a generator follows its requests."""
LEAST_REQUESTED = 0.25
"""The share below which one that did so has stopped."""
NOT_FOR_THIS = (
    "the teacher has no batch normalization whose statistics could guide the generator: --method"
    " shapes is likely to teach more"
)


class Inversion(Method):
    """A generator learns, fills a bank with its images, and the student is taught from the bank.

    Every `round_updates` updates of the student, the generator gets `generator_steps` steps
    (`warm_up` at first) and adds `new_images` to the bank. A generator that has collapsed at the
    end of an epoch begins anew; the bank keeps its images.

    Source: Fang et al. 2021, "Contrastive model inversion", and Fang et al. 2022, "Up to 100x
    faster data-free knowledge distillation", for the bank and the losses; Chen et al. 2019 for one
    generator that keeps learning.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._rules = context.config.inversion
        self._lacks_statistics = bool(self._rules.batch_norm_weight) and not has_statistics(context)
        self._about_batch_size = about_batch_size(context)
        self._synthesizer = Synthesizer(context)
        self._health = Health(context.teacher)
        self._bank = Bank(self._rules.bank_size, context.input_shape)
        self._collapsed = False
        self._followed = False
        self._failed_in = 0

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        """Train the generator and draw new images, if a round begins with this update."""
        if self._collapsed:
            self._collapsed = False
            yield self._restart(
                epoch, "had collapsed (its images look alike or are predicted alike)"
            )
        update = (epoch - 1) * self._config.steps_per_epoch + step
        if update == 0 and self._lacks_statistics:
            yield Note(NOT_FOR_THIS)
        if update == 0 and self._about_batch_size:
            yield Note(self._about_batch_size)
        if update % self._rules.round_updates == 0 or self._synthesizer.is_new:
            yield from self._round(epoch, update)

    def _make_batch(self) -> Batch:
        return Batch(sample(self._bank.images, self._config, *self._step))

    def metrics(self) -> dict[str, float]:
        """Return the health of the bank and of the generator.

        `collapsed` is 1 where the generator has, and missing otherwise.
        """
        self._collapsed = self._has_collapsed()
        health = self._health.of(self._bank.images, self._config.seed)
        return {
            **self._synthesizer.metrics(),
            **health,
            **({"collapsed": 1.0} if self._collapsed else {}),
        }

    def samples(self, count: int) -> Pixels:
        """Return the images that were drawn last: uint8 (at most count, h, w, c)."""
        return self._bank.newest(count)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return generator, its optimizer and counts, and the bank."""
        return {
            **{f"synthesizer/{name}": value for name, value in self._synthesizer.state().items()},
            **{f"bank/{name}": value for name, value in self._bank.state().items()},
            "ill": np.array(self._collapsed, np.int64),
            "followed": np.array(self._followed, np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned."""
        self._synthesizer.restore(within(state, "synthesizer"))
        self._bank.restore(within(state, "bank"))
        self._collapsed = bool(state["ill"])
        self._followed = bool(state["followed"])

    def _has_collapsed(self) -> bool:
        """Judge the newest images: older ones in the bank may be those of an earlier generator."""
        if self._synthesizer.steps < ENOUGH_STEPS:
            return False
        health = self._health.of(self._bank.newest(LOOKED_AT), self._config.seed)
        return self._has_stopped_following() or is_collapsed(health)

    def _has_stopped_following(self) -> bool:
        """Tell whether a generator that once drew what was requested no longer does.

        One that never did may still draw images that teach.
        """
        requested = self._synthesizer.requested()
        if requested is None:
            return False
        self._followed = self._followed or requested >= FOLLOWED
        return self._followed and requested < LEAST_REQUESTED

    def _restart(self, epoch: int, why: str) -> Note:
        self._synthesizer.restart()
        self._followed = False
        return Note(f"epoch {epoch}: the generator {why}; a new one was begun")

    def _round(self, epoch: int, update: int) -> Iterator[Event]:
        """Do a round; a generator that fails once in an epoch is replaced by a new one."""
        try:
            yield from self._learn_and_draw(epoch, update)
        except NonFiniteError:
            if self._failed_in == epoch:
                raise
            self._failed_in = epoch
            yield self._restart(epoch, "had a loss that is not finite")
            yield from self._learn_and_draw(epoch, update)

    def _learn_and_draw(self, epoch: int, update: int) -> Iterator[Event]:
        rules = self._rules
        first = self._synthesizer.is_new
        steps = rules.warm_up if first else rules.generator_steps
        weight = rules.adversarial_weight if update >= rules.adversarial_after else 0.0
        count = rules.first_images if first else rules.new_images
        batches = -(-count // self._synthesizer.batch_size)
        judged: deque[NDArray[np.float32]] = deque(maxlen=0 if first else batches)
        for step in range(steps):
            judged.append(self._synthesizer.learn(weight))
            done = step + 1
            if first:
                images = done * self._synthesizer.batch_size
                yield Progress(epoch, "inverting", done, steps, images)
        for drawn in judged:
            self._bank.add(drawn)
        for _ in range(batches - len(judged)):
            self._bank.add(self._synthesizer.draw()[0])


Examine = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class SynthesisMetrics:
    """Metrics of synthesized images, which need no data."""

    requested: float
    """Share of images that are predicted to be of the requested class."""
    confidence: float
    """Mean of the teacher's highest probability."""
    batch_norm_distance: float | None
    """Mean over batches of the distance to the teacher's statistics; None where it has none."""
    diversity: float
    """Mean spread of a pixel among images of a class, pixels being -1 to 1."""


@dataclass(frozen=True)
class Synthesized:
    """As many images of each class, in the order of the classes."""

    images: Pixels
    """(n, h, w, c)."""
    classes: Labels
    """The requested ones, (n,)."""
    probabilities: NDArray[np.float32]
    """The teacher's probabilities (n, k)."""
    metrics: SynthesisMetrics


def check_losses(context: MethodContext) -> None:
    """Raise RequestError where the weights of all losses are 0."""
    rules = context.config.inversion
    if rules.class_weight or rules.balance_weight or rules.tv_weight:
        return
    if not rules.batch_norm_weight:
        raise RequestError("--class-weight 0: every other weight is 0 too; leave one of them in")
    if not has_statistics(context):
        raise RequestError(
            "--class-weight 0: the teacher has no batch normalization, and every other weight is 0"
            " too; leave one of them in"
        )


def synthesize_classes(
    context: MethodContext, steps: int, per_class: int
) -> Generator[Event, None, Synthesized]:
    """Train a new generator for `steps`, and return `per_class` of its images of every class.

    Yields progress, and a Note where the teacher has no batch normalization. Images are drawn in
    whole batches, as for a student. Raises NonFiniteError where a loss or an image is not finite.
    """
    rules = context.config.inversion
    compared = has_statistics(context)
    if rules.batch_norm_weight and not compared:
        yield Note("the teacher has no batch normalization: only the other losses are lowered")
    if told := about_batch_size(context):
        yield Note(told)
    synthesizer = Synthesizer(context)
    for step in range(1, steps + 1):
        synthesizer.learn(adversarial_weight=0.0)
        yield Progress(1, "inverting", step, steps, step * synthesizer.batch_size)
    examine = _compile_examine(context)
    total = context.classes * per_class
    images = np.empty((context.classes, per_class, *context.input_shape), np.uint8)
    shares = np.empty((context.classes, per_class, context.classes), np.float32)
    counts = np.zeros(context.classes, np.int64)
    distances: list[float] = []
    while counts.sum() < total:
        drawn, labels = synthesizer.draw()
        # What is measured is what is kept: images of 256 levels.
        rounded = unscale(drawn)
        said, distance = examine(tf.constant(scale(rounded)))
        distances.append(float(distance))
        for image, row, label in zip(rounded, said.numpy(), labels, strict=True):
            if counts[label] < per_class:
                images[label, counts[label]], shares[label, counts[label]] = image, row
                counts[label] += 1
        yield Progress(1, "drawing", int(counts.sum()), total, int(counts.sum()))
    pixels, probabilities = images.reshape(total, *context.input_shape), shares.reshape(total, -1)
    requested = np.repeat(np.arange(context.classes, dtype=np.int64), per_class)
    metrics = SynthesisMetrics(
        requested=float((probabilities.argmax(axis=1) == requested).mean()),
        confidence=float(probabilities.max(axis=1).mean()),
        batch_norm_distance=float(np.mean(distances)) if compared else None,
        diversity=diversity(scale(pixels), requested),
    )
    return Synthesized(pixels, requested, probabilities, metrics)


def _compile_examine(context: MethodContext) -> Examine:
    """Compile: images (n, h, w, c) in; probabilities (n, k) and the statistics loss out."""

    @compiled
    def examine(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits, inputs = logits_and_inputs(context.teacher, images)
        return tf.nn.softmax(tf.cast(logits, tf.float32)), distance_to_stored(inputs)

    return examine  # type: ignore[no-any-return]
