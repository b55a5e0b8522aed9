from dataclasses import replace
from functools import partial
from math import erfc, sqrt
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.methods.base import Method
from kextract.methods.noise import (
    AdversarialNoise,
    Crafter,
    CraftingRules,
    RandomNoise,
    clipped_noise,
)
from kextract.models.batch_norm import frozen
from kextract.records import Progress
from tests.methods.examples import LINEAR_SHAPE, first_move, linear_context, linear_teacher
from tests.training.examples import CLASSES, SHAPE, tiny_network

STEPS = 5
CONFIG = DistillConfig(
    method="adversarial",
    steps_per_epoch=STEPS,
    batch_size=2,
    noise_learning_rate=0.01,
    noise_iterations=3,
    noise_tolerance=0.0,
)
BATCH = (2, *LINEAR_SHAPE)
SIZE = 4
CORRECTED = CraftingRules(learning_rate=0.05, iterations=12, tolerance=0.0)
ARTICLE = replace(CORRECTED, softmax_twice=True)
ZERO = tf.constant(0)


def test_what_a_normal_distribution_has_beyond_a_border_lies_on_it() -> None:
    """On each of the two, give or take four standard deviations of the share of 200,000."""
    pixels: Any = clipped_noise(np.random.default_rng(0), (200_000,))
    assert (pixels.dtype, pixels.min(), pixels.max()) == (np.float32, -1, 1)
    beyond = erfc(1 / sqrt(2)) / 2
    for border in (-1, 1):
        share = (pixels == border).mean()
        assert abs(share - beyond) < 4 * sqrt(beyond * (1 - beyond) / 200_000)


def batch(seed: int, epoch: int, step: int) -> Any:
    noise = RandomNoise(linear_context(replace(CONFIG, batch_size=40, seed=seed)))
    noise.refresh(epoch, step)
    return noise.batch().images.numpy()


@pytest.mark.parametrize("other", [(4, 2, 1), (3, 1, 1), (3, 2, 2), (3, 1, 2)])
def test_every_seed_epoch_and_step_has_noise_of_its_own(other: tuple[int, int, int]) -> None:
    np.testing.assert_array_equal(batch(3, 2, 1), batch(3, 2, 1))
    # Pixels on the borders are often the same: (0.1587**2 * 2) of all.
    assert (batch(*other) == batch(3, 2, 1)).mean() < 0.15


def adversarial(*, together: int = 1, **changes: Any) -> AdversarialNoise:
    noise = AdversarialNoise(linear_context(replace(CONFIG, **changes)))
    noise.together = together
    return noise


def drawn(noise: Method, *epochs: int) -> Any:
    """All batches of some epochs, in their order."""
    batches = []
    for epoch in epochs:
        for step in range(STEPS):
            list(noise.refresh(epoch, step))
            batches.append(noise.batch().images.numpy())
    return np.stack(batches)


def beginnings(*epochs: int) -> Any:
    return drawn(RandomNoise(linear_context(CONFIG)), *epochs)


def test_batches_do_not_depend_on_how_many_are_crafted_at_once() -> None:
    one_by_one = drawn(adversarial(), 1, 2)
    together = drawn(adversarial(together=4), 1, 2)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-5, atol=1e-6)


def test_the_article_s_counter_counts_the_steps_of_all_batches_before() -> None:
    noise = adversarial(noise_iterations=1, recipe="article")
    moves = np.abs(drawn(noise, 1, 2) - beginnings(1, 2))
    expected = [first_move(0.01, before) for before in range(2 * STEPS)]
    expected_moves = np.broadcast_to(np.reshape(expected, (-1, 1, 1, 1, 1)), moves.shape)
    np.testing.assert_allclose(moves, expected_moves, rtol=1e-3)


def test_the_confidence_is_the_mean_over_all_images_of_the_epoch() -> None:
    """Images are pushed up for class 0 and down for class 1; s, -s are the logits."""
    noise = adversarial(together=4)
    drawn(noise, 1)
    assert noise.metrics()["confidence"] > 0
    batches = drawn(noise, 2).astype(np.float64)
    pushed = np.sign((batches - beginnings(2)).mean(axis=(2, 3, 4)))
    requested = 1 / (1 + np.exp(-2 * pushed * batches.mean(axis=(2, 3, 4))))
    assert noise.metrics()["confidence"] == pytest.approx(requested.mean(), rel=1e-5)


def test_crafting_yields_how_far_it_is_in_the_epoch_until_batches_are_ready() -> None:
    noise = adversarial(noise_iterations=25, together=4)
    progress = [event for event in noise.refresh(1, 0) if isinstance(event, Progress)]
    assert [(event.phase, event.done, event.total, event.images) for event in progress] == [
        ("crafting noise", done, STEPS, done * BATCH[0]) for done in (1, 3, 4)
    ]
    noise.batch()
    assert list(noise.refresh(1, 1)) == []


def start(batches: int) -> tuple[tf.Tensor, tf.Tensor]:
    random = np.random.default_rng(0)
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


@pytest.mark.parametrize(
    ("rules", "stops"), [(replace(CORRECTED, tolerance=0.034), True), (ARTICLE, False)]
)
def test_crafting_is_keras_s_adam_on_the_pixels(rules: CraftingRules, stops: bool) -> None:
    classifier, (noise, classes) = teacher(batch_statistics=rules.softmax_twice), start(1)
    expected, steps = craft_by_keras(classifier, rules, noise, classes)
    assert (2 < steps < rules.iterations) == stops
    crafted, taken, _ = Crafter(classifier, rules, SIZE)(noise, classes, ZERO)
    assert taken.numpy().tolist() == [steps]
    np.testing.assert_allclose(crafted.numpy(), expected, atol=1e-4)


def test_a_batch_that_is_done_stays_while_others_go_on_to_the_limit() -> None:
    """The first batch already is what it shall be; its loss and slope are 0 in float32."""
    steep = partial(linear_teacher, steepness=100.0)
    noise = tf.concat([tf.ones((2, *LINEAR_SHAPE)), -tf.ones((2, *LINEAR_SHAPE))], axis=0)
    rules = CraftingRules(learning_rate=0.01, iterations=9, tolerance=1e-5)
    crafted, taken, _ = Crafter(steep, rules, 2)(noise, tf.constant([0, 0, 0, 0]), ZERO)
    assert taken.numpy().tolist() == [2, 9]
    np.testing.assert_array_equal(crafted[:2], noise[:2])
    assert (crafted[2:].numpy() > -1).all()
