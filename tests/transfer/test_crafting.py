from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.frozen import frozen
from kextract.transfer import crafting
from kextract.transfer.crafting import Crafter, CraftingRules
from kextract.transfer.noise import clipped_noise
from tests.training.examples import CLASSES, SHAPE, tiny_network
from tests.transfer.examples import LINEAR_SHAPE, first_move, linear_teacher

SIZE = 4
RULES = CraftingRules(learning_rate=0.05, iterations=12, tolerance=0.0)
CORRECTED, ARTICLE = RULES, replace(RULES, softmax_twice=True)
ZERO = tf.constant(0)


def start(batches: int, seed: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
    random = np.random.default_rng(seed)
    noise = clipped_noise(random, (batches * SIZE, *SHAPE))
    return tf.constant(noise), tf.constant(random.integers(0, CLASSES, batches * SIZE), tf.int32)


def teacher(*, batch_statistics: bool = False) -> Any:
    return frozen(tiny_network(3), batch_statistics=batch_statistics)


def value_and_slope(classifier: Any, rules: CraftingRules, noise: Any, classes: Any) -> Any:
    """The loss that noise is pushed down, by Keras, and its gradient; all eager."""
    images = tf.convert_to_tensor(noise, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = classifier(images)
        outputs = tf.nn.softmax(logits) if rules.softmax_twice else logits
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(classes, outputs)
    return float(loss), tape.gradient(loss, images).numpy()


def craft_by_keras(classifier: Any, rules: CraftingRules, noise: Any, classes: Any) -> Any:
    """One batch by Keras's own Adam, a new one, step by step."""
    optimizer, pixels = keras.optimizers.Adam(rules.learning_rate), tf.Variable(noise)
    loss, slope = value_and_slope(classifier, rules, pixels, classes)
    for taken in range(1, rules.iterations + 1):
        optimizer.apply_gradients([(tf.constant(slope), pixels)])
        loss_before = loss
        loss, slope = value_and_slope(classifier, rules, pixels, classes)
        if taken > 1 and loss_before - loss <= rules.tolerance:
            break
    return pixels.numpy(), taken


def craft_by_hand(
    classifier: Any, rules: CraftingRules, noise: Any, classes: Any, steps_before: int
) -> Any:
    """One batch by Adam as published, its step count going on from before, in float64."""
    pixels = noise.numpy().astype(np.float64)
    mean, square = np.zeros_like(pixels), np.zeros_like(pixels)
    loss, slope = value_and_slope(classifier, rules, pixels, classes)
    for taken in range(1, rules.iterations + 1):
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope.astype(float) ** 2
        time = steps_before + taken
        rate = rules.learning_rate * np.sqrt(1 - 0.999**time) / (1 - 0.9**time)
        pixels -= rate * mean / (np.sqrt(square) + 1e-7)
        loss_before = loss
        loss, slope = value_and_slope(classifier, rules, pixels, classes)
        if taken > 1 and loss_before - loss <= rules.tolerance:
            break
    return pixels, taken


@pytest.mark.parametrize(
    ("rules", "stops"),
    [
        pytest.param(CORRECTED, False, id="corrected", marks=pytest.mark.slow),
        pytest.param(replace(CORRECTED, tolerance=0.034), True, id="corrected until it stops"),
        pytest.param(ARTICLE, False, id="article"),
        pytest.param(
            *(replace(ARTICLE, tolerance=0.0166), True),
            id="article until it stops",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_crafting_is_keras_s_adam_on_the_pixels(rules: CraftingRules, stops: bool) -> None:
    classifier, (noise, classes) = teacher(batch_statistics=rules.softmax_twice), start(1)
    expected, steps = craft_by_keras(classifier, rules, noise, classes)
    assert (2 < steps < rules.iterations) == stops
    crafted, taken, _ = Crafter(classifier, rules, SIZE)(noise, classes, ZERO)
    assert taken.numpy().tolist() == [steps]
    np.testing.assert_allclose(crafted.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("rules", "steps_before"),
    [
        pytest.param(CORRECTED, 0, marks=pytest.mark.slow),
        (CORRECTED, 7),
        pytest.param(ARTICLE, 5000, marks=pytest.mark.slow),
    ],
)
def test_a_step_count_goes_on_from_before_with_moments_at_zero(
    rules: CraftingRules, steps_before: int
) -> None:
    classifier, (noise, classes) = teacher(batch_statistics=rules.softmax_twice), start(1)
    expected, steps = craft_by_hand(classifier, rules, noise, classes, steps_before)
    craft = Crafter(classifier, rules, SIZE)
    crafted, taken, _ = craft(noise, classes, tf.constant(steps_before))
    assert taken.numpy().tolist() == [steps]
    np.testing.assert_allclose(crafted.numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("steps_before", [0, 10_000])
def test_the_first_move_is_as_long_as_adam_s_closed_form(steps_before: int) -> None:
    rules = CraftingRules(learning_rate=0.01, iterations=1, tolerance=0.0)
    noise = tf.zeros((2, *LINEAR_SHAPE))
    craft = Crafter(linear_teacher, rules, 2)
    crafted, *_ = craft(noise, tf.constant([0, 1]), tf.constant(steps_before))
    move = first_move(0.01, steps_before)
    expected = np.broadcast_to(np.array([move, -move]).reshape(2, 1, 1, 1), crafted.shape)
    np.testing.assert_allclose(crafted.numpy(), expected, rtol=1e-3)


def test_batches_crafted_together_come_out_as_one_by_one() -> None:
    classifier, (noise, classes) = teacher(), start(3)
    craft = Crafter(classifier, replace(RULES, tolerance=0.034), SIZE)
    together = craft(noise, classes, ZERO)
    alone = [
        craft(noise[first : first + SIZE], classes[first : first + SIZE], ZERO)
        for first in (0, SIZE, 2 * SIZE)
    ]
    for found, parts in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(found.numpy(), np.concatenate(parts), atol=1e-4)


def test_a_batch_that_is_done_stays_while_others_go_on() -> None:
    """The first batch already is what it shall be; its loss and slope are 0 in float32."""
    sure = partial(linear_teacher, steepness=100.0)
    noise = tf.concat([tf.ones((2, *LINEAR_SHAPE)), -tf.ones((2, *LINEAR_SHAPE))], axis=0)
    rules = CraftingRules(learning_rate=0.01, iterations=9, tolerance=1e-5)
    crafted, taken, _ = Crafter(sure, rules, 2)(noise, tf.constant([0, 0, 0, 0]), ZERO)
    assert taken.numpy().tolist() == [2, 9]
    np.testing.assert_array_equal(crafted[:2], noise[:2])
    assert (crafted[2:].numpy() > -1).all()


@pytest.mark.parametrize("limit", [1, 7])
def test_crafting_ends_at_the_limit(limit: int) -> None:
    rules = CraftingRules(learning_rate=0.001, iterations=limit, tolerance=0.0)
    noise = tf.zeros((4, *LINEAR_SHAPE))
    _, taken, _ = Crafter(linear_teacher, rules, 2)(noise, tf.constant([0, 0, 1, 1]), ZERO)
    assert taken.numpy().tolist() == [limit, limit]


def test_confidences_are_the_teacher_s_in_the_noise_that_is_returned() -> None:
    classifier, (noise, classes) = teacher(), start(2)
    crafted, _, confidence = Crafter(classifier, RULES, SIZE)(noise, classes, ZERO)
    logits = classifier(crafted).numpy().astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = probabilities[np.arange(2 * SIZE), classes.numpy()]
    np.testing.assert_allclose(confidence.numpy(), expected, rtol=1e-4)


def test_noise_may_leave_the_range_of_images() -> None:
    rules = CraftingRules(learning_rate=0.1, iterations=5, tolerance=0.0)
    noise = tf.ones((1, *LINEAR_SHAPE))
    crafted, *_ = Crafter(linear_teacher, rules, 1)(noise, tf.constant([0]), ZERO)
    assert (crafted.numpy() > 1).all()


@pytest.mark.parametrize("piece", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_noise_is_the_same_to_the_bit_in_however_many_pieces(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, (noise, classes) = teacher(), start(2)
    craft = Crafter(classifier, replace(RULES, tolerance=0.034), SIZE)
    expected = craft(noise, classes, ZERO)
    monkeypatch.setattr(crafting, "PIECE", piece)
    for found, same in zip(craft(noise, classes, ZERO), expected, strict=True):
        np.testing.assert_array_equal(found.numpy(), same.numpy())
