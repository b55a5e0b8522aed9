from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from kextract.models.architectures import build_model
from kextract.models.batch_norm import BatchNormalization, batch_moments, frozen

Array = NDArray[np.float64]
IMAGES = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 3)).astype(np.float32)
COUNT = 4 * 5 * 6
"""Values per channel."""
MOMENTUM, EPSILON = 0.9, 1e-2
GAMMA, BETA = np.array([0.5, 1.0, 2.0]), np.array([-1.0, 0.0, 3.0])
MOVING_MEAN, MOVING_VARIANCE = np.array([2.0, 3.0, 5.0]), np.array([1.0, 4.0, 9.0])


def layer(kind: Any = BatchNormalization, **options: Any) -> Any:
    made = kind(momentum=MOMENTUM, epsilon=EPSILON, **options)
    made.build((None, 5, 6, 3))
    made.set_weights([GAMMA, BETA, MOVING_MEAN, MOVING_VARIANCE])
    return made


def normalized(mean: Array, variance: Array) -> Array:
    result: Array = GAMMA * (IMAGES - mean) / np.sqrt(variance + EPSILON) + BETA
    return result


def batch_mean(images: NDArray[Any] = IMAGES) -> Array:
    result: Array = images.reshape(COUNT, 3).astype(np.float64).mean(axis=0)
    return result


def batch_variance(images: NDArray[Any] = IMAGES, *, corrected: bool) -> Array:
    result: Array = images.reshape(COUNT, 3).astype(np.float64).var(axis=0, ddof=int(corrected))
    return result


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-5, atol=1e-5)


def test_training_normalizes_by_the_batch() -> None:
    expected = normalized(batch_mean(), batch_variance(corrected=False))
    close(layer()(IMAGES, training=True), expected)


def test_training_moves_the_mean_and_the_variance_with_bessel_s_correction() -> None:
    trained = layer()
    trained(IMAGES, training=True)
    close(trained.moving_mean.numpy(), MOMENTUM * MOVING_MEAN + (1 - MOMENTUM) * batch_mean())
    expected = MOMENTUM * MOVING_VARIANCE + (1 - MOMENTUM) * batch_variance(corrected=True)
    np.testing.assert_allclose(trained.moving_variance.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("options", [{"trainable": False}, {}], ids=["frozen", "inference"])
def test_other_passes_go_by_the_moving_averages_and_leave_them(options: dict[str, bool]) -> None:
    used = layer(**options)
    images = used(IMAGES, training="trainable" in options)
    close(images, normalized(MOVING_MEAN, MOVING_VARIANCE))
    close(used.moving_mean.numpy(), MOVING_MEAN)
    close(used.moving_variance.numpy(), MOVING_VARIANCE)


@pytest.mark.parametrize("training", [True, False])
def test_its_gradients_are_those_of_keras_s_own_layer(training: bool) -> None:
    def gradients(kind: Any) -> Any:
        used, images = layer(kind), tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(used(images, training=training) ** 3)
        return tape.gradient(loss, [images, used.gamma.value, used.beta.value])

    ours, theirs = gradients(BatchNormalization), gradients(keras.layers.BatchNormalization)
    for mine, other in zip(ours, theirs, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(mine / scale, other / scale, atol=1e-5)


def test_bfloat16_gradients_of_inference_are_rounded_once() -> None:
    used, images = layer(dtype="mixed_bfloat16"), tf.cast(IMAGES, tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(tf.cast(used(images, training=False), tf.float32))
    slope = GAMMA / np.sqrt(MOVING_VARIANCE + EPSILON)
    found = tf.cast(tape.gradient(total, images), tf.float32).numpy()
    np.testing.assert_allclose(found, np.broadcast_to(slope, found.shape), rtol=2.0**-8)


def test_it_has_the_name_and_the_variables_of_keras_s_own_layer() -> None:
    ours, theirs = layer(name="norm"), layer(keras.layers.BatchNormalization, name="norm")
    assert type(ours).__name__ == type(theirs).__name__
    described = [
        [(variable.path, variable.shape, variable.dtype) for variable in made.variables]
        for made in (ours, theirs)
    ]
    assert described[0] == described[1]


def moments(features: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Moments, and the gradient of a sum of them that weighs every channel differently."""
    features = tf.convert_to_tensor(features)
    of_mean, of_variance = weights
    with tf.GradientTape() as tape:
        tape.watch(features)
        mean, variance = batch_moments(features)
        total = tf.reduce_sum(of_mean * mean) + tf.reduce_sum(of_variance * variance)
    return mean, variance, tape.gradient(total, features)


def expected_gradient(features: Array, weights: Any) -> Array:
    """By tf.nn.moments in float64, with Bessel's correction put in."""
    values = tf.constant(features, tf.float64)
    of_mean, of_variance = weights
    axes = list(range(len(features.shape) - 1))
    count = features.size // features.shape[-1]
    with tf.GradientTape() as tape:
        tape.watch(values)
        mean, variance = tf.nn.moments(values, axes)
        variance *= count / (count - 1)
        total = tf.reduce_sum(of_mean * mean) + tf.reduce_sum(of_variance * variance)
    result: Array = tape.gradient(total, values).numpy()
    return result


WEIGHTS = np.array([1.0, -2.0, 3.0], np.float32), np.array([0.5, 4.0, -1.0], np.float32)


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (2, 3), (8, 15, 3), (1, 5, 6, 3)], ids=str)
def test_batch_moments_and_their_gradient_are_those_of_the_small_operations(shape: Any) -> None:
    """Of images, the fewest vectors of a dense layer, sequences, and one image."""
    features = np.random.default_rng(1).normal(3, 2, shape).astype(np.float32)
    mean, variance, found = moments(features, WEIGHTS)
    values = features.reshape(-1, 3).astype(np.float64)
    close(mean, values.mean(axis=0))
    close(variance, values.var(axis=0, ddof=1))
    assert found.shape == shape
    close(found, expected_gradient(features, WEIGHTS))


def test_bfloat16_features_have_float32_moments_and_a_bfloat16_gradient() -> None:
    features = tf.cast(IMAGES, tf.bfloat16)
    mean, variance, found = moments(features, WEIGHTS)
    seen = tf.cast(features, tf.float32).numpy()
    close(mean, batch_mean(seen))
    close(variance, batch_variance(seen, corrected=True))
    assert (mean.dtype, variance.dtype, found.dtype) == (tf.float32, tf.float32, tf.bfloat16)
    expected = expected_gradient(seen, WEIGHTS)
    rounding = 2.0**-6 * np.abs(expected).max()
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=rounding)


SMALL = np.random.default_rng(0).uniform(-1, 1, (6, 16, 16, 1)).astype(np.float32)


@cache
def teacher() -> Any:
    return build_model("tiny", (16, 16, 1), 3)


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_a_frozen_teacher_uses_the_wished_statistics(batch_statistics: bool) -> None:
    answer = frozen(teacher(), batch_statistics=batch_statistics)(SMALL)
    # Training comes last, since it moves the averages.
    other, expected = (teacher()(SMALL, training=flag) for flag in (False, True))
    if not batch_statistics:
        expected, other = other, expected
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(answer, other, rtol=1e-2)
