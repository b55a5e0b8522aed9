"""The generator of the method `inversion`, and what trains it against a frozen teacher."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract import losses
from kextract.errors import NonFiniteError
from kextract.methods.base import MethodContext
from kextract.models.architectures import precision_policy, weights_drawn_by
from kextract.models.axes import Shape
from kextract.models.batch_norm import BatchNormalization, batch_moments
from kextract.models.cost import at_once
from kextract.models.statistics import Normalized, logits_and_inputs
from kextract.optimizers import Adam
from kextract.runtime import compiled
from kextract.seeds import Stream, seed_number, seed_sequence

MEASURES = ("generator_loss", "requested", "batch_norm_distance")
USUAL_IMAGES, LEAST_IMAGES = 128, 8
"""Images per step of a generator, and where there is memory for fewer of them only."""
MOMENTUM = 0.9
"""Of the generator's running averages: it changes faster than a classifier."""


class Synthesizer:
    """A generator, its optimizer, and the count of batches that it has drawn so far."""

    def __init__(self, context: MethodContext) -> None:
        self._context = context
        self._rules = context.config.inversion
        self.batch_size = batch_size(context)
        """Images per step."""
        self._generator = self._new_generator(restarts=0)
        self._optimizer = Adam(self._rules.generator_learning_rate, beta_1=0.5)
        self._optimizer.build(self._generator.trainable_variables)
        self._step = self._compile_step()
        self._draw = compiled(lambda codes: self._generator(codes, training=True))
        self._restarts = 0
        self._batches = 0
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

        There are about as many of each class. Raises NonFiniteError where an image is not finite,
        because of the last step.
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
        counts = np.array([self._steps, self._batches, self._restarts], np.int64)
        return {"counts": counts} | {
            f"{number}": value.numpy() for number, value in enumerate(self._variables())
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned."""
        self._steps, self._batches, self._restarts = (int(count) for count in state["counts"])
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
        """Return new codes and their classes, which follow each other from a random one on.

        If a batch began where the last one ended, learning and drawing could each be stuck with
        classes of their own wherever there are more classes than images in a batch.
        """
        stream = seed_sequence(
            Stream.CODES, self._context.config.seed, self._restarts, self._batches
        )
        *seed, first = stream.generate_state(3).astype(np.int32)
        self._batches += 1
        turn = np.arange(self.batch_size) + first
        labels = tf.constant(turn % self._context.classes, tf.int32)
        return (
            latent_codes(labels, self._rules.latent_size, self._context.classes, tf.constant(seed)),
            labels,
        )

    def _compile_step(self) -> Any:
        """Compile a step: codes, classes, adversarial weight in; images and MEASURES (3,) out."""
        rules = self._rules
        student = self._context.student if rules.adversarial_weight else None
        shown = max(1, round(rules.adversarial_share * self.batch_size))
        config, by_label = self._context.config, self._context.by_label
        distance = losses.distance(config.distance, config.temperature, by_label=by_label)
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
                if rules.tv_weight:
                    loss += rules.tv_weight * losses.total_variation(images)
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


def batch_size(context: MethodContext) -> int:
    """Return how many images a step has: as requested or, where images are large, fewer than usual.

    Everything that the teacher makes of them is held until the gradient is known.
    """
    requested = context.config.inversion.synthesis_batch_size
    return requested or max(LEAST_IMAGES, at_once(context.teacher, USUAL_IMAGES, all_held=True))


def kept_batch_size(context: MethodContext) -> int:
    """Return the images per step of the generator, which an unfinished run keeps as a number.

    Without a generator it is the usual one, as in runs that earlier versions kept.
    """
    config = context.config
    if "inversion" not in (config.method, config.mix):
        return config.inversion.synthesis_batch_size or USUAL_IMAGES
    return batch_size(context)


def about_batch_size(context: MethodContext) -> str | None:
    """Say in one line that a step has fewer images than usual; None where it has not."""
    size = batch_size(context)
    if context.config.inversion.synthesis_batch_size or size == USUAL_IMAGES:
        return None
    height, width, _ = context.input_shape
    return (
        f"images of {height}x{width} pixels are large: the generator draws {size} a step and not"
        f" {USUAL_IMAGES} (--synthesis-batch-size requests another number)"
    )


def distance_to_stored(inputs: Sequence[Normalized]) -> tf.Tensor:
    """Return how far the statistics of what a teacher normalized are from those it has stored."""
    return losses.statistics_distance(
        [batch_moments(features) for _, features in inputs],
        [(layer.moving_mean.value, layer.moving_variance.value) for layer, _ in inputs],
    )


def has_statistics(context: MethodContext) -> bool:
    """Tell whether the teacher normalizes anything by statistics that it has stored."""
    _, inputs = logits_and_inputs(context.teacher, tf.zeros((2, *context.input_shape)))
    return bool(inputs)


def build_generator(
    input_shape: Shape, classes: int, *, latent_size: int, channels: int, precision: str, seed: int
) -> keras.Model:
    """Build a model from codes (n, latent_size + classes) to float32 images (n, h, w, c).

    A code is Gaussian noise with a one-hot class at its end, see `latent_codes`; images are in
    [-1, 1]. `channels` is the width of the last hidden layer; the first two have twice as many.

    Source: the generator of DAFL (Chen et al. 2019, section 4.1) at a quarter of its width, with a
    class beside the noise.
    """
    height, width, depth = input_shape
    # Two doublings reach the image's size or a little more, which is cut off.
    base = (-(-height // 4), -(-width // 4))
    with weights_drawn_by(seed), precision_policy(precision):
        codes = keras.Input((latent_size + classes,))
        x = keras.layers.Dense(base[0] * base[1] * 2 * channels)(codes)
        x = keras.layers.Reshape((*base, 2 * channels))(x)
        x = BatchNormalization(momentum=MOMENTUM)(x)
        for filters in (2 * channels, channels):
            x = Doubling()(x)
            x = keras.layers.Conv2D(filters, 3, padding="same")(x)
            x = BatchNormalization(momentum=MOMENTUM)(x)
            # In bfloat16 its gradient is the slowest of all: four times as slow as in float32.
            x = keras.layers.LeakyReLU(0.2, dtype="float32")(x)
        x = keras.layers.Conv2D(depth, 3, padding="same")(x)
        excess = ((0, 4 * base[0] - height), (0, 4 * base[1] - width))
        if excess != ((0, 0), (0, 0)):
            x = keras.layers.Cropping2D(excess, dtype="float32")(x)
        images = keras.layers.Activation("tanh", dtype="float32")(x)
        return keras.Model(codes, images, name="generator")


class Doubling(keras.layers.Layer):
    """`keras.layers.UpSampling2D`, with a gradient that a fused kernel takes."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Let every pixel of features (n, h, w, c) be four."""
        return _doubled(features)


@tf.custom_gradient
def _doubled(features: tf.Tensor) -> tuple[tf.Tensor, Any]:
    def gradient(of_doubled: tf.Tensor) -> tf.Tensor:
        return 4 * tf.nn.avg_pool2d(of_doubled, 2, 2, "VALID")

    return tf.repeat(tf.repeat(features, 2, axis=1), 2, axis=2), gradient


def latent_codes(labels: tf.Tensor, latent_size: int, classes: int, seed: tf.Tensor) -> tf.Tensor:
    """Return float32 codes (n, latent_size + classes) for int labels (n,).

    `seed` is int32 (2,): the same seed gives the same noise.
    """
    noise = tf.random.stateless_normal((tf.shape(labels)[0], latent_size), seed)
    return tf.concat([noise, tf.one_hot(labels, classes)], axis=1)
