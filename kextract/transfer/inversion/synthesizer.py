"""Trains a generator against a frozen teacher."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract import losses
from kextract.errors import NonFiniteError
from kextract.graph import compiled
from kextract.models.batch_norm import batch_moments
from kextract.models.statistics import Normalized, logits_and_inputs
from kextract.optimizers import Adam
from kextract.seeds import Stream, seed_number, seed_sequence
from kextract.transfer.inversion.generator import build_generator, latent_codes
from kextract.transfer.source import SourceContext

MEASURES = ("generator_loss", "requested", "batch_norm_distance")


class Synthesizer:
    """A generator, its optimizer, and the count of what it has drawn so far."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._rules = context.config.inversion
        self._generator = self._new_generator(restarts=0)
        self._optimizer = Adam(self._rules.generator_learning_rate, beta_1=0.5)
        self._optimizer.build(self._generator.trainable_variables)
        self._step = self._compile_step()
        self._draw = compiled(lambda codes: self._generator(codes, training=True))
        self._restarts = 0
        self._drawn = 0
        self._steps = 0
        self._measured: list[NDArray[np.float32]] = []

    @property
    def steps(self) -> int:
        """How many steps the generator has made since it began."""
        return self._steps

    @property
    def is_new(self) -> bool:
        """Whether the generator has not learned anything yet."""
        return self._steps == 0

    def learn(self, adversarial_weight: float) -> NDArray[np.float32]:
        """Make one step and return the images that were judged for it, as `draw` does.

        Raises NonFiniteError where a loss is not finite.
        """
        codes, labels = self._next_codes()
        weight = tf.constant(adversarial_weight, tf.float32)
        images, measures = (found.numpy() for found in self._step(codes, labels, weight))
        self._check(measures)
        self._measured.append(measures)
        self._steps += 1
        judged: NDArray[np.float32] = images
        return judged

    def draw(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return new images (n, h, w, c) in [-1, 1] and the classes (n,) they were drawn for.

        There are about as many of each class. Raises NonFiniteError where the last step left a
        generator that draws no numbers.
        """
        codes, labels = self._next_codes()
        images: NDArray[np.float32] = self._draw(codes).numpy()
        self._check(images)
        return images, labels.numpy()

    def restart(self) -> None:
        """Begin with a new generator."""
        self._restarts += 1
        self._steps = 0
        fresh = self._new_generator(self._restarts)
        self._generator.set_weights(fresh.get_weights())
        for variable in self._optimizer.variables:
            if variable is not self._optimizer.learning_rate:
                variable.assign(tf.zeros_like(variable))

    def metrics(self) -> dict[str, float]:
        """Return the means of what was measured since the last call; nothing if nothing was."""
        if not self._measured:
            return {}
        means = np.mean(self._measured, axis=0)
        self._measured = []
        metrics = {name: float(mean) for name, mean in zip(MEASURES, means, strict=True)}
        if not self._rules.class_weight:
            del metrics["requested"]
        return metrics

    def requested(self) -> float | None:
        """Return the share of images answered as requested in the last steps, a round of them.

        None where no class is requested, and where no step was made since the last `metrics`.
        """
        if not (self._measured and self._rules.class_weight):
            return None
        last = self._measured[-self._rules.generator_steps :]
        return float(np.mean(last, axis=0)[MEASURES.index("requested")])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the generator, the optimizer and the counts."""
        counts = np.array([self._steps, self._drawn, self._restarts], np.int64)
        return {"counts": counts} | {
            f"{number}": value.numpy() for number, value in enumerate(self._variables())
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned."""
        self._steps, self._drawn, self._restarts = (int(count) for count in state["counts"])
        for number, variable in enumerate(self._variables()):
            variable.assign(state[f"{number}"])

    def _check(self, values: NDArray[np.float32]) -> None:
        if not np.all(np.isfinite(values)):
            raise NonFiniteError.at(
                f"step {self._steps + 1} of the generator",
                self._rules.generator_learning_rate,
                flag="--generator-learning-rate",
            )

    def _variables(self) -> list[tf.Variable]:
        variables = [*self._generator.variables, *self._optimizer.variables]
        return [variable.value for variable in variables]

    def _new_generator(self, restarts: int) -> keras.Model:
        config = self._context.config
        return build_generator(
            self._context.input_shape,
            self._context.classes,
            latent_size=self._rules.latent_size,
            channels=self._rules.generator_channels,
            precision=config.precision,
            seed=seed_number(Stream.GENERATOR, config.seed, restarts),
        )

    def _next_codes(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return new codes and their classes, which go on in turn from a random one.

        If batches went on where the last one ended, learning and drawing could each be stuck with
        classes of their own wherever there are more classes than images in a batch.
        """
        stream = seed_sequence(Stream.CODES, self._context.config.seed, self._restarts, self._drawn)
        *seed, first = stream.generate_state(3).astype(np.int32)
        self._drawn += 1
        turn = np.arange(self._rules.synthesis_batch_size) + first
        labels = tf.constant(turn % self._context.classes, tf.int32)
        return (
            latent_codes(labels, self._rules.latent_size, self._context.classes, tf.constant(seed)),
            labels,
        )

    def _compile_step(self) -> Any:
        """Compile a step: codes, classes, adversarial weight in; images and MEASURES (3,) out."""
        rules = self._rules
        student = self._context.student if rules.adversarial_weight else None
        shown = max(1, round(rules.adversarial_share * rules.synthesis_batch_size))
        distance = losses.distance(self._context.config.distance, self._context.config.temperature)
        variables = self._generator.trainable_variables

        @compiled
        def step(
            codes: tf.Tensor, labels: tf.Tensor, adversarial_weight: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                images = self._generator(codes, training=True)
                teacher_logits, inputs = logits_and_inputs(self._context.teacher, images)
                statistics_loss = distance_to_stored(inputs)
                loss = rules.class_weight * losses.cross_entropy(labels, teacher_logits)
                loss += rules.batch_norm_weight * statistics_loss
                if rules.balance_weight:
                    loss += rules.balance_weight * losses.information_entropy_loss(teacher_logits)
                if rules.variation_weight:
                    loss += rules.variation_weight * losses.total_variation(images)
                if student is not None:
                    student_logits = student(images[:shown], training=False)
                    logits = teacher_logits[:shown]
                    loss -= adversarial_weight * losses.disagreement(
                        distance(logits, student_logits), logits, student_logits
                    )
            self._optimizer.apply(tape.gradient(loss, variables), variables)
            hits = tf.equal(tf.argmax(teacher_logits, axis=-1, output_type=tf.int32), labels)
            requested = tf.reduce_mean(tf.cast(hits, tf.float32))
            return images, tf.stack([loss, requested, statistics_loss])

        return step


def distance_to_stored(inputs: Sequence[Normalized]) -> tf.Tensor:
    """Return how far the statistics of what a teacher normalized are from those it has stored."""
    return losses.statistics_distance(
        [batch_moments(features) for _, features in inputs],
        [(layer.moving_mean.value, layer.moving_variance.value) for layer, _ in inputs],
    )


def has_statistics(context: SourceContext) -> bool:
    """Say whether the teacher normalizes anything by statistics that it has stored."""
    _, inputs = logits_and_inputs(context.teacher, tf.zeros((2, *context.input_shape)))
    return bool(inputs)
