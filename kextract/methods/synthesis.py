"""Images of every class, synthesized from a teacher by inversion, without a student."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import Labels, Pixels, scale, unscale
from kextract.errors import RequestError
from kextract.graph import compiled
from kextract.methods.base import MethodContext
from kextract.methods.generator import (
    Synthesizer,
    about_batch_size,
    distance_to_stored,
    has_statistics,
)
from kextract.methods.health import diversity
from kextract.models.statistics import logits_and_inputs
from kextract.records import Event, Note, Progress

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
    examine, rows = _compile_examine(context), _Rows(context, per_class)
    distances: list[float] = []
    while rows.filled < rows.total:
        drawn, labels = synthesizer.draw()
        # What is measured is what is kept: images of 256 levels.
        pixels = unscale(drawn)
        probabilities, distance = examine(tf.constant(scale(pixels)))
        distances.append(float(distance))
        rows.add(pixels, probabilities.numpy(), labels)
        yield Progress(1, "drawing", rows.filled, rows.total, rows.filled)
    return rows.finished(float(np.mean(distances)) if compared else None)


class _Rows:
    """Collects as many images of each class, and leaves out more than that."""

    def __init__(self, context: MethodContext, per_class: int) -> None:
        classes = context.classes
        self._images = np.empty((classes, per_class, *context.input_shape), np.uint8)
        self._probabilities = np.empty((classes, per_class, classes), np.float32)
        self._counts = np.zeros(classes, np.int64)
        self.total = classes * per_class

    @property
    def filled(self) -> int:
        return int(self._counts.sum())

    def add(
        self,
        images: Pixels,
        probabilities: NDArray[np.float32],
        labels: NDArray[np.int32],
    ) -> None:
        for image, shares, label in zip(images, probabilities, labels, strict=True):
            place = self._counts[label]
            if place < self._images.shape[1]:
                self._images[label, place] = image
                self._probabilities[label, place] = shares
                self._counts[label] += 1

    def finished(self, batch_norm_distance: float | None) -> Synthesized:
        classes, per_class = self._images.shape[:2]
        requested = np.repeat(np.arange(classes, dtype=np.int64), per_class)
        images = self._images.reshape(self.total, *self._images.shape[2:])
        probabilities = self._probabilities.reshape(self.total, classes)
        metrics = SynthesisMetrics(
            requested=float((probabilities.argmax(axis=1) == requested).mean()),
            confidence=float(probabilities.max(axis=1).mean()),
            batch_norm_distance=batch_norm_distance,
            diversity=diversity(scale(images), requested),
        )
        return Synthesized(images, requested, probabilities, metrics)


def _compile_examine(context: MethodContext) -> Examine:
    """Compile: images (n, h, w, c) in; probabilities (n, k) and the statistics loss out."""

    @compiled
    def examine(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits, inputs = logits_and_inputs(context.teacher, images)
        return tf.nn.softmax(tf.cast(logits, tf.float32)), distance_to_stored(inputs)

    return examine  # type: ignore[no-any-return]
