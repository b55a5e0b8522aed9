"""Query by committee: two networks learn what the teacher said so far, to select what to ask next.

What they learn from, the student learns from too: `target_logits` and `sampling`.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.images import Pixels, scale
from kextract.losses import distance
from kextract.methods.registry import committee_updates
from kextract.models.architectures import (
    LENET5,
    MINIMUM_SIDE,
    TINY,
    precision_policy,
    weights_drawn_by,
)
from kextract.models.blocks import safe_to_train
from kextract.models.cost import at_once, cost_of, in_batches
from kextract.optimizers import make_optimizer
from kextract.runtime import compiled
from kextract.seeds import Stream, random_generator, seed_number
from kextract.teachers.questions import Questions

MEMBERS = 2
PREDICTED_AT_ONCE = 512
SMOOTHING = 0.1
"""Probability that a label leaves to all classes together."""
LEAST = 1e-6
"""The least probability that differs from 0, where outputs are that fine."""
NEARLY_ZERO = 1e-12

Floats = NDArray[np.floating]


class Committee:
    """Two networks that learn anew in every round, and then say which images they disagree on.

    They are like the student, or smaller: what small networks select teaches large ones (Coleman et
    al. 2020, "Selection via proxy"). One network is given the weights of one and the other, so that
    it is compiled once.
    """

    def __init__(
        self, student: keras.Model, config: DistillConfig, *, by_label: bool = False
    ) -> None:
        self._config, self._by_label = config, by_label
        make = _smallest(student)
        with precision_policy("float32"):
            one, other = (self._untaught(make, number) for number in range(MEMBERS))
        self._model = one
        # A round has as many updates as its answers are good for, known when it begins.
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, 1, warmup_target=config.learning_rate, warmup_steps=1
        )
        self._updates, self._rising = (tf.Variable(1.0, trainable=False) for _ in range(2))
        rate.decay_steps, rate.warmup_steps = self._updates, self._rising
        self._optimizer = make_optimizer(config.optimizer, one, rate)
        self._optimizer_start = _values(self._optimizer.variables)
        self._starts = [_values(one.variables), _values(other.variables)]
        self._learned = self._starts.copy()
        self._update = self._compile_update()
        self._predict = compiled(
            lambda images: tf.nn.softmax(one(images, training=False)),
            input_signature=[tf.TensorSpec(one.input_shape, tf.float32)],
        )

    def _untaught(self, make: Callable[[], keras.Model], number: int) -> keras.Model:
        with weights_drawn_by(seed_number(Stream.COMMITTEE, self._config.seed, number, 0)):
            return safe_to_train(make())

    def learn(
        self, images: Pixels | Questions, logits: NDArray[np.float32], kind: str, number: int
    ) -> Iterator[int]:
        """Begin anew and learn the first n images with their logits (n, k) for a round.

        Yields how many members have learned.
        """
        config, count = self._config, len(logits)
        likely = sampling(logits.argmax(axis=1), kind)
        updates = committee_updates(count, config.batch_size, config.queries.scout_updates)
        self._updates.assign(updates)
        self._rising.assign(max(1, updates // 10))
        for member, start in enumerate(self._starts):
            _assign(self._model.variables, start)
            _assign(self._optimizer.variables, self._optimizer_start)
            random = random_generator(Stream.COMMITTEE, config.seed, member, number)
            for _ in range(updates):
                rows = random.choice(count, min(config.batch_size, count), p=likely)
                self._update(tf.constant(scale(images[rows])), tf.constant(logits[rows]))
            self._learned[member] = _values(self._model.variables)
            yield member + 1

    def probabilities(self, images: Pixels) -> NDArray[np.float32]:
        """Return what both say (2, n, k) of uint8 images (n, h, w, c)."""
        size, found = at_once(self._model, PREDICTED_AT_ONCE), []
        for weights in self._learned:
            _assign(self._model.variables, weights)
            found.append(
                in_batches(lambda part: self._predict(tf.constant(scale(part))), images, size)
            )
        return np.stack(found)

    def _compile_update(self) -> Callable[[tf.Tensor, tf.Tensor], None]:
        config = self._config
        distances = distance(config.distance, config.temperature, by_label=self._by_label)
        model, optimizer = self._model, self._optimizer

        @compiled(reduce_retracing=True)
        def update(images: tf.Tensor, target: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(distances(target, model(images, training=True)))
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)

        return update  # type: ignore[no-any-return]


def _smallest(student: keras.Model) -> Callable[[], keras.Model]:
    """Return what makes a network like the student, or one that costs less for its images."""
    shape, classes = student.input_shape[1:], student.output_shape[-1]
    makers = [partial(keras.models.clone_model, student)]
    if min(shape[:2]) >= MINIMUM_SIDE:
        makers += [partial(spec.build, shape, classes, weight_decay=0.0) for spec in (LENET5, TINY)]
    return min(makers, key=lambda make: cost_of(make()).multiply_adds)


def _values(variables: Iterable[keras.Variable]) -> list[NDArray[Any]]:
    return [np.array(variable.value.numpy()) for variable in variables]


def _assign(variables: Iterable[keras.Variable], values: Iterable[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def disagreement(one: Floats, other: Floats) -> Floats:
    """Return the Jensen-Shannon divergence of two students' probabilities (n, k), nats (n,)."""
    middle = (one + other) / 2
    result: Floats = (_divergence(one, middle) + _divergence(other, middle)) / 2
    return result


def select_by_disagreement(one: Floats, other: Floats, count: int) -> NDArray[np.integer]:
    """Return indices (count,) where two students' probabilities (n, k) disagree most.

    As many for each class that they predict together; what a class has too little of is shared
    among those that have more. Source: Rosenthal et al. 2023, "DisGUIDE", for questions on which
    two students disagree.
    """
    score, predicted = disagreement(one, other), (one + other).argmax(axis=1)
    falling = np.argsort(-score, kind="stable")
    classes = one.shape[1]
    # The rarest first, so that what they lack is known when the others are chosen.
    order = np.argsort(np.bincount(predicted, minlength=classes), kind="stable")
    chosen: list[NDArray[np.integer]] = []
    left = count
    for place, index in enumerate(order):
        own = falling[predicted[falling] == index][: left // (classes - place)]
        chosen.append(own)
        left -= len(own)
    return np.concatenate(chosen)


def _divergence(one: Floats, other: Floats) -> Floats:
    result: Floats = (one * (np.log(one + NEARLY_ZERO) - np.log(other + NEARLY_ZERO))).sum(axis=1)
    return result


def target_logits(outputs: NDArray[Any], kind: str, classes: int) -> NDArray[np.float32]:
    """Return centred logits (n, k) whose softmax is the teacher's probabilities.

    `outputs` are of one of `kextract.teachers.OUTPUTS`. Logits of probabilities are log p minus the
    mean of its row (Truong et al. 2021, "Data-free model extraction", section 3.3); what is rounded
    to 0 is taken for half of the least probability that the teacher gives. Labels are smoothed
    (Szegedy et al. 2016, "Rethinking the Inception architecture", section 7). Logits of sigmoids
    are those of each label on its own, and not centred.
    """
    if kind == "sigmoids":
        # Both ends are rounded alike.
        inner = np.minimum(outputs, 1 - outputs)[(outputs > 0) & (outputs < 1)]
        least = max(LEAST, inner.min() / 2) if inner.size else LEAST
        share = outputs.astype(np.float64).clip(least, 1 - least)
        return (np.log(share) - np.log(1 - share)).astype(np.float32)  # type: ignore[no-any-return]
    if kind == "labels":
        rows = np.full((len(outputs), classes), SMOOTHING / classes)
        rows[np.arange(len(outputs)), outputs] += 1 - SMOOTHING
        logits = np.log(rows)
    elif kind == "probabilities":
        positive = outputs[outputs > 0]
        least = max(LEAST, positive.min() / 2) if positive.size else LEAST
        logits = np.log(np.maximum(outputs.astype(np.float64), least))
    else:
        logits = outputs.astype(np.float64)
    centred: NDArray[np.float32] = (logits - logits.mean(axis=1, keepdims=True)).astype(np.float32)
    return centred


def sampling(predicted: NDArray[np.integer], kind: str) -> NDArray[np.float64] | None:
    """Return the probability (n,) of drawing each question: class-balanced where labels are known.

    None, for outputs of other kinds, draws all alike: probabilities also teach the classes that are
    never predicted.
    """
    if kind != "labels":
        return None
    likely = 1 / np.bincount(predicted)[predicted]
    return likely / likely.sum()  # type: ignore[no-any-return]
