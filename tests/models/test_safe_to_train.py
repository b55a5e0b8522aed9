"""Convolutions that TensorFlow may compute otherwise than one would think."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.build import build_model
from kextract.models.tf_workarounds import NARROW, safe_to_train

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 9, 8, 3)).astype(np.float32)


def network(channels: int, padding: str, stride: int | tuple[int, int] = 2) -> keras.Model:
    """A 1x1 convolution with a stride, in a model inside a model as keras.applications are."""
    inside = keras.Sequential(
        [
            keras.layers.Conv2D(channels, 3, padding="same"),
            keras.layers.Conv2D(5, 1, stride, padding, activation="relu"),
        ]
    )
    image = keras.Input(IMAGES.shape[1:])
    return keras.Model(image, inside(image))


def strided(model: keras.Model) -> list[list[int]]:
    """List the strides of the convolutions that TensorFlow computes for a batch."""
    graph = tf.function(model).get_concrete_function(IMAGES).graph
    found = [op.get_attr("strides") for op in graph.get_operations() if op.type == "Conv2D"]
    return [list(strides[1:3]) for strides in found]


@pytest.mark.parametrize("stride", [2, (3, 1)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_narrow_network_gives_the_same_numbers_without_strides(
    tensorflow: object, padding: str, stride: int | tuple[int, int]
) -> None:
    model = network(NARROW - 1, padding, stride)
    before = model(IMAGES).numpy()
    assert strided(model)[1] != [1, 1]
    assert strided(safe_to_train(model)) == [[1, 1], [1, 1]]
    np.testing.assert_allclose(model(IMAGES), before, atol=1e-6)


def test_a_wide_network_stays_as_it_is(tensorflow: object) -> None:
    assert strided(safe_to_train(network(NARROW, "same"))) == [[1, 1], [2, 2]]


def added_up() -> keras.Model:
    """Twice three convolutions, each three with the same gradient of their biases."""
    x = inputs = keras.Input((16, 16, 1))
    for _ in range(2):
        x = keras.layers.add([keras.layers.Conv2D(4, size, 2, "same")(x) for size in (3, 1, 5)])
        x = keras.layers.Activation("tanh")(x)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def gradients_of(model: keras.Model) -> Any:
    """Compile the gradients of all that a model gives for images, by its weights."""

    @tf.function(autograph=False)
    def gradients(images: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(images, training=True))
        return tape.gradient(total, model.trainable_variables)

    return gradients


@pytest.mark.parametrize(
    ("make", "convolutions"),
    [
        pytest.param(lambda: build_model("resnet11", (16, 16, 1), 3), 13, marks=pytest.mark.slow),
        (added_up, 6),
    ],
    ids=["resnet11", "a network of one's own"],
)
def test_the_gradient_of_a_bias_belongs_to_one_kernel_so_that_bfloat16_repeats(
    tensorflow: object, make: Callable[[], keras.Model], convolutions: int
) -> None:
    # TensorFlow computes the two together, and chooses among kernels by their place in memory.
    def users(model: keras.Model) -> Counter[int]:
        """Count for each gradient of a bias the kernels whose gradient is made of it."""
        graph = gradients_of(model).get_concrete_function(tf.zeros((2, 16, 16, 1))).graph
        operations = graph.get_operations()
        kernels = [op.inputs[2].name for op in operations if op.type == "Conv2DBackpropFilter"]
        biases = {op.inputs[0].name for op in operations if op.type == "BiasAddGrad"}
        assert len(kernels) == convolutions
        return Counter(kernels.count(bias) for bias in biases if bias in kernels)

    assert max(users(make())) > 1
    assert users(safe_to_train(make())).keys() == {1}


def test_gradients_stay_the_same_numbers(tensorflow: object) -> None:
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 1)).astype(np.float32)
    model = added_up()
    before = gradients_of(model)(images)
    after = gradients_of(safe_to_train(safe_to_train(model)))(images)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
