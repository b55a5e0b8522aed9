from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.optimizers import Adam, make_optimizer

RATE = 0.01


def network() -> Any:
    """A convolution, a depthwise one, a normalization, a hidden dense layer, and the last one."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            keras.layers.Conv2D(5, 3, name="convolution"),
            keras.layers.DepthwiseConv2D(2, name="depthwise"),
            keras.layers.BatchNormalization(name="normalization"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="hidden"),
            keras.layers.Dense(2, name="last"),
        ],
        name="model",
    )


@pytest.fixture(scope="module")
def first_step() -> dict[str, tuple[Any, Any]]:
    """The gradient that each variable was given, and where its first step of Muon went."""
    model = network()
    optimizer = make_optimizer("muon", model, RATE)
    random = np.random.default_rng(0)
    variables = model.trainable_variables
    before = [variable.numpy() for variable in variables]
    gradients = [random.normal(size=variable.shape).astype(np.float32) for variable in variables]
    optimizer.apply([tf.constant(gradient) for gradient in gradients], variables)
    return {
        variable.path.removeprefix("model/"): (gradient, variable.numpy() - old)
        for variable, gradient, old in zip(variables, gradients, before, strict=True)
    }


def muon_step(gradient: Any) -> Any:
    """The step by singular values: five rounds of the source's polynomial bring all near 1."""
    matrix = gradient.reshape(-1, gradient.shape[-1]).astype(np.float64)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values /= np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    size = 0.2 * np.sqrt(max(matrix.shape))
    return -RATE * size * ((left * values) @ right).reshape(gradient.shape)


@pytest.mark.parametrize("path", ["convolution/kernel", "hidden/kernel"])
def test_muon_makes_the_singular_values_of_a_hidden_kernel_s_step_alike(
    first_step: Any, path: str
) -> None:
    gradient, step = first_step[path]
    np.testing.assert_allclose(step, muon_step(gradient), atol=1e-5)


def test_muon_looks_one_step_of_its_momentum_ahead() -> None:
    """Nesterov's momentum of 0.95: Jordan et al. 2024, the update rule."""
    model = keras.Sequential([keras.Input((6,)), *map(keras.layers.Dense, (4, 2))])
    optimizer, variables = make_optimizer("muon", model, RATE), model.trainable_variables
    first, second = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    rest = [tf.zeros(variable.shape) for variable in variables[1:]]
    optimizer.apply([tf.constant(first), *rest], variables)
    before = variables[0].numpy()
    optimizer.apply([tf.constant(second), *rest], variables)
    momentum = 0.95 * first + second
    expected = muon_step(second + 0.95 * momentum)
    np.testing.assert_allclose(variables[0].numpy() - before, expected, atol=1e-5)


def test_muon_leaves_all_the_rest_to_adam_whose_first_step_is_the_sign(first_step: Any) -> None:
    rest = first_step.keys() - {"convolution/kernel", "hidden/kernel"}
    assert {"depthwise/kernel", "normalization/gamma", "convolution/bias", "last/kernel"} < rest
    for path in rest:
        gradient, step = first_step[path]
        np.testing.assert_allclose(step, -RATE * np.sign(gradient), rtol=1e-3)


def test_many_steps_of_adam_are_those_of_keras() -> None:
    ours, theirs = network(), network()
    schedule = keras.optimizers.schedules.CosineDecay(RATE, 20)
    optimizers = Adam(schedule, beta_1=0.5), keras.optimizers.Adam(schedule, beta_1=0.5)
    random = np.random.default_rng(0)
    for _ in range(10):
        values = [random.normal(size=v.shape) for v in ours.trainable_variables]
        gradients = [tf.constant(value, tf.float32) for value in values]
        for optimizer, model in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply(gradients, model.trainable_variables)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
