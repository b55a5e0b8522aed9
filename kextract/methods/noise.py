"""The article's two techniques: random noise, and noise pushed until it fools the teacher."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract import runtime
from kextract.methods.base import Batch, Classifier, Method, MethodContext
from kextract.records import Event, Progress
from kextract.runtime import compiled
from kextract.seeds import Stream, random_generator

# Adam's constants (Kingma & Ba 2015, algorithm 1), with Keras's epsilon.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
PIECE = 10
"""Crafting steps between two reports of progress."""
CRAFTED_TOGETHER = 4
"""Batches crafted at once by several threads: enough to fill them, few enough that progress shows.

One thread crafts one at a time, so that more of it stays in the processor's cache.
"""

Crafted = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Noise (b * n, h, w, c), the int32 steps that each batch took (b,), and confidences (b * n,)."""


def clipped_noise(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return N(0, 1) noise clipped to [-1, 1], float32 of this shape."""
    return generator.standard_normal(shape, dtype=np.float32).clip(-1, 1)


class RandomNoise(Method):
    """A new batch of clipped Gaussian noise for every update."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._shape = (context.config.batch_size, *context.input_shape)

    def _make_batch(self) -> Batch:
        return Batch(tf.constant(clipped_noise(self._random(), self._shape)))


class AdversarialNoise(Method):
    """A new batch of crafted noise for every update, for random classes.

    By the recipe `article`, as in the 2020 code, batches are crafted one by one and Adam's step
    count goes on from batch to batch, while its moments start at zero for each; otherwise every
    batch has a fresh optimizer, and several are crafted at once.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        config = context.config
        self._shape = (config.batch_size, *context.input_shape)
        self._classes = context.classes
        self._shares_counter = config.recipe == "article"
        several = runtime.threads() > 1 and not self._shares_counter
        self.together = CRAFTED_TOGETHER if several else 1
        """Batches crafted at once."""
        rules = CraftingRules(
            config.noise_learning_rate,
            config.noise_iterations,
            config.noise_tolerance,
            softmax_twice=config.recipe == "article",
        )
        self._crafter = Crafter(context.required_classifier, rules, config.batch_size)
        self._steps_made = 0
        self._ready: list[tf.Tensor] = []
        self._iterations: list[float] = []
        self._confidences: list[float] = []

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        """Craft the next batches if none is left."""
        if self._ready:
            return
        limit, updates = self._config.noise_iterations, self._config.steps_per_epoch
        count = min(self.together, updates - step)
        noise, classes = zip(
            *(self._start(epoch, step + number) for number in range(count)), strict=True
        )
        pieces = self._crafter.pieces(
            tf.constant(np.concatenate(noise)),
            tf.constant(np.concatenate(classes), tf.int32),
            tf.constant(self._steps_made if self._shares_counter else 0, tf.int32),
        )
        for steps, (crafted, taken, confidence) in pieces:  # noqa: B007 - the last ones count
            done = step + count * steps // limit
            yield Progress(epoch, "crafting noise", done, updates, done * self._shape[0])
        self._steps_made += int(tf.reduce_sum(taken))
        self._ready = tf.split(crafted, count)
        self._iterations += taken.numpy().tolist()
        self._confidences += confidence.numpy().tolist()

    def _start(self, epoch: int, step: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the noise that a batch begins with, and the classes to fake."""
        random = random_generator(Stream.BATCH, self._config.seed, epoch, step)
        noise = clipped_noise(random, self._shape)
        return noise, random.integers(0, self._classes, self._shape[0])

    def _make_batch(self) -> Batch:
        """Return crafted noise; some pixels lie a little outside [-1, 1]."""
        return Batch(self._ready.pop(0))

    def metrics(self) -> dict[str, float]:
        """Return the mean crafting steps per batch, and the mean confidence in faked classes."""
        metrics = {
            "iterations": float(np.mean(self._iterations)),
            "confidence": float(np.mean(self._confidences)),
        }
        self._iterations, self._confidences = [], []
        return metrics

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the count of crafting steps; at the end of an epoch no batch is left over."""
        return {"steps_made": np.array(self._steps_made, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from a count of crafting steps."""
        self._steps_made = int(state["steps_made"])


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
    """Pushes one or more batches of noise at once: gradient descent on pixels, compiled.

    Called with float32 noise (b * batch_size, h, w, c), int32 classes to fake (b * batch_size,) and
    the count of Adam steps made before (0 for a fresh optimizer), int32, it returns the crafted
    noise, the steps that each batch took, and the teacher's final probabilities of the requested
    classes. Batches stop independently, so they come out as if crafted one by one, where the
    teacher's logits of an image do not depend on the others. Noise is not clipped again.
    """

    def __init__(self, teacher: Classifier, rules: CraftingRules, batch_size: int) -> None:
        self._limit = rules.iterations
        self._begin, self._continue = _compile(teacher, rules, batch_size)

    def __call__(self, noise: tf.Tensor, classes: tf.Tensor, steps_before: tf.Tensor) -> Crafted:
        """Craft without reporting progress."""
        *_, (_, crafted) = self.pieces(noise, classes, steps_before)
        return crafted

    def pieces(
        self, noise: tf.Tensor, classes: tf.Tensor, steps_before: tf.Tensor, size: int = PIECE
    ) -> Iterator[tuple[int, Crafted]]:
        """Craft in pieces of `size` steps, yielding the steps made so far and their result."""
        state = self._begin(noise, classes)
        for until in range(size, self._limit + size, size):
            limit = tf.constant(min(until, self._limit))
            state, active = self._continue(state, classes, steps_before, limit)
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

    def loss_and_gradient(
        noise: tf.Tensor, classes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(noise)
            loss, logits = losses(noise, classes)
        return loss, tape.gradient(loss, noise), logits

    @compiled(reduce_retracing=True)
    def begin(noise: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, ...]:
        loss, gradient, logits = loss_and_gradient(noise, classes)
        mean, square = tf.zeros_like(noise), tf.zeros_like(noise)
        batches = tf.shape(noise)[0] // batch_size
        active, taken = tf.fill([batches], True), tf.zeros([batches], tf.int32)
        return tf.constant(0), noise, logits, loss, gradient, mean, square, active, taken

    @compiled(reduce_retracing=True)
    def proceed(
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
            new_loss, gradient, logits = loss_and_gradient(noise, classes)
            taken += tf.cast(active, tf.int32)
            # The first step has no loss to compare with, so it never is the last one.
            active &= (loss - new_loss > rules.tolerance) | (step == 0)
            return step + 1, noise, logits, new_loss, gradient, mean, square, active, taken

        state = tf.while_loop(unfinished, advance, state)
        return state, tf.reduce_any(state[-2])

    return begin, proceed
