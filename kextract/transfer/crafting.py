"""Pushes noise until a teacher is sure of a class: gradient descent on pixels, compiled."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from kextract.graph import compiled

# Adam's constants (Kingma & Ba 2015, algorithm 1), with Keras's epsilon.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

PIECE = 10
"""Steps between two looks at how far it is."""

Classifier = Callable[[tf.Tensor], tf.Tensor]
Crafted = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Noise (b * n, h, w, c), the int32 steps that each batch took (b,), and confidences (b * n,)."""


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


class Crafter:
    """Crafts one or more batches of noise at once.

    Called with float32 noise (b * batch_size, h, w, c), int32 classes to fake (b * batch_size,) and
    the count of Adam steps made before (0 for a fresh optimizer), int32, it returns the crafted
    noise, the steps that each batch took, and the teacher's final probabilities of the requested
    classes. Batches stop independently, so they come out as if crafted one by one, where the
    teacher's logits of an image do not depend on the others. Noise is not clipped again.
    """

    def __init__(self, teacher: Classifier, rules: CraftingRules, batch_size: int) -> None:
        self._limit = rules.iterations
        self._begin, self._go_on = _compile(teacher, rules, batch_size)

    def __call__(self, noise: tf.Tensor, classes: tf.Tensor, steps_before: tf.Tensor) -> Crafted:
        """Craft without a word."""
        *_, (_, crafted) = self.pieces(noise, classes, steps_before)
        return crafted

    def pieces(
        self, noise: tf.Tensor, classes: tf.Tensor, steps_before: tf.Tensor
    ) -> Iterator[tuple[int, Crafted]]:
        """Craft piece by piece, yielding the steps made so far and what has come of them."""
        state = self._begin(noise, classes)
        for until in range(PIECE, self._limit + PIECE, PIECE):
            limit = tf.constant(min(until, self._limit))
            state, active = self._go_on(state, classes, steps_before, limit)
            step, crafted, logits, *_, taken = state
            confidence = tf.gather(tf.nn.softmax(logits), classes, batch_dims=1)
            yield int(step), (crafted, taken, confidence)
            if not active:
                return


def _compile(
    teacher: Classifier, rules: CraftingRules, batch_size: int
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Compile the beginning, which makes a state, and the steps, which take it further."""

    def losses(noise: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = teacher(noise)
        outputs = tf.nn.softmax(logits) if rules.softmax_twice else logits
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=outputs)
        return tf.reduce_mean(tf.reshape(each, [-1, batch_size]), axis=1), logits

    def step_up(noise: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(noise)
            loss, logits = losses(noise, classes)
        return loss, tape.gradient(loss, noise), logits

    @compiled(reduce_retracing=True)
    def begin(noise: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, ...]:
        loss, gradient, logits = step_up(noise, classes)
        mean, square = tf.zeros_like(noise), tf.zeros_like(noise)
        batches = tf.shape(noise)[0] // batch_size
        active, taken = tf.fill([batches], True), tf.zeros([batches], tf.int32)
        return tf.constant(0), noise, logits, loss, gradient, mean, square, active, taken

    @compiled(reduce_retracing=True)
    def go_on(
        state: tuple[tf.Tensor, ...], classes: tf.Tensor, steps_before: tf.Tensor, limit: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        def unfinished(step, noise, logits, loss, gradient, mean, square, active, taken):  # type: ignore[no-untyped-def]
            return tf.reduce_any(active) & (step < limit)

        def advance(step, noise, logits, loss, gradient, mean, square, active, taken):  # type: ignore[no-untyped-def]
            mean = BETA_1 * mean + (1 - BETA_1) * gradient
            square = BETA_2 * square + (1 - BETA_2) * tf.square(gradient)
            time = tf.cast(steps_before + step + 1, tf.float32)
            correction = tf.sqrt(1 - BETA_2**time) / (1 - BETA_1**time)
            pushed = noise - rules.learning_rate * correction * mean / (tf.sqrt(square) + EPSILON)
            # By whole images; `tf.where` would look at every pixel.
            noise = tf.raw_ops.Select(condition=tf.repeat(active, batch_size), x=pushed, y=noise)
            new_loss, gradient, logits = step_up(noise, classes)
            taken += tf.cast(active, tf.int32)
            # The first step has no loss to compare with, so it never is the last one.
            active &= (loss - new_loss > rules.tolerance) | (step == 0)
            return step + 1, noise, logits, new_loss, gradient, mean, square, active, taken

        state = tf.while_loop(unfinished, advance, state)
        return state, tf.reduce_any(state[-2])

    return begin, go_on
