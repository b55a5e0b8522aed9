"""Pushes noise until a teacher is sure of a class: gradient descent on pixels, compiled."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

# Adam's constants (Kingma & Ba 2015, algorithm 1), with Keras's epsilon.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

Logits = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class CraftingRules:
    """How far and how fast noise is pushed."""

    learning_rate: float
    """Adam step size, in units of the [-1, 1] pixel range."""
    iterations: int
    """The most steps for a batch."""
    tolerance: float
    """A batch is done after a step that lowers its loss by this or less, nats."""
    softmax_twice: bool = False
    """Whether the loss takes probabilities for logits, as the 2020 code did."""


def make_crafter(
    teacher: Logits, rules: CraftingRules, batch_size: int
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Compile the crafting of one or more batches at once.

    The function takes float32 noise (b * batch_size, h, w, c), int32 classes to fake
    (b * batch_size,) and the count of Adam steps made before (0 for a fresh optimizer), as int32.
    It returns the crafted noise, the int32 steps that each batch took (b,), and the teacher's final
    probabilities of the wished classes (b * batch_size,). Batches stop independently, so they come
    out as if crafted one by one, where the teacher's answer to an image does not depend on the
    others. Noise is not clipped again.
    """

    def losses(noise: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = teacher(noise)
        answers = tf.nn.softmax(logits) if rules.softmax_twice else logits
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=answers)
        return tf.reduce_mean(tf.reshape(each, [-1, batch_size]), axis=1), logits

    def step_up(noise: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(noise)
            loss, logits = losses(noise, classes)
        return loss, tape.gradient(loss, noise), logits

    @tf.function(jit_compile=False, reduce_retracing=True)
    def craft(
        noise: tf.Tensor, classes: tf.Tensor, steps_before: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batches = tf.shape(noise)[0] // batch_size

        def unfinished(step, noise, logits, loss, gradient, mean, square, active, taken):  # type: ignore[no-untyped-def]
            return tf.reduce_any(active)

        def advance(step, noise, logits, loss, gradient, mean, square, active, taken):  # type: ignore[no-untyped-def]
            mean = BETA_1 * mean + (1 - BETA_1) * gradient
            square = BETA_2 * square + (1 - BETA_2) * tf.square(gradient)
            time = tf.cast(steps_before + step + 1, tf.float32)
            correction = tf.sqrt(1 - BETA_2**time) / (1 - BETA_1**time)
            pushed = noise - rules.learning_rate * correction * mean / (tf.sqrt(square) + EPSILON)
            moving = tf.reshape(tf.repeat(active, batch_size), [-1, 1, 1, 1])
            noise = tf.where(moving, pushed, noise)
            new_loss, gradient, logits = step_up(noise, classes)
            taken += tf.cast(active, tf.int32)
            # The first step has no loss to compare with, so it never is the last one.
            active &= (loss - new_loss > rules.tolerance) | (step == 0)
            return step + 1, noise, logits, new_loss, gradient, mean, square, active, taken

        loss, gradient, logits = step_up(noise, classes)
        _, noise, logits, *_, taken = tf.while_loop(
            unfinished,
            advance,
            (
                tf.constant(0),
                noise,
                logits,
                loss,
                gradient,
                tf.zeros_like(noise),
                tf.zeros_like(noise),
                tf.fill([batches], True),
                tf.zeros([batches], tf.int32),
            ),
            maximum_iterations=rules.iterations,
        )
        confidence = tf.gather(tf.nn.softmax(logits), classes, batch_dims=1)
        return noise, taken, confidence

    return craft  # type: ignore[no-any-return]
