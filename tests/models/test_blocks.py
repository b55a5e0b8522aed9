"""What TensorFlow computes otherwise, or more slowly, than one would think; results are Keras's."""

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.blocks import NARROW, Add, ReLU, safe_to_train

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


@pytest.mark.parametrize(("padding", "stride"), [("same", 2), ("valid", (3, 1))])
def test_a_narrow_network_gives_the_same_numbers_without_strides(
    padding: str, stride: int | tuple[int, int]
) -> None:
    model = network(NARROW - 1, padding, stride)
    before = model(IMAGES).numpy()
    assert strided(model)[1] != [1, 1]
    assert strided(safe_to_train(model)) == [[1, 1], [1, 1]]
    np.testing.assert_allclose(model(IMAGES), before, atol=1e-6)


def test_a_wide_network_stays_as_it_is() -> None:
    assert strided(safe_to_train(network(NARROW, "same"))) == [[1, 1], [2, 2]]


def added_up() -> keras.Model:
    """Twice three convolutions, each three with the same gradient of their biases."""
    x = inputs = keras.Input((16, 16, 1))
    for _ in range(2):
        x = keras.layers.add([keras.layers.Conv2D(4, size, 2, "same")(x) for size in (3, 2, 5)])
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


def test_the_gradient_of_a_bias_belongs_to_one_kernel_so_that_bfloat16_repeats() -> None:
    # TensorFlow computes the two together, and chooses among kernels by their place in memory.
    def users(model: keras.Model) -> Counter[int]:
        """Count for each gradient of a bias the kernels whose gradient is made of it."""
        graph = gradients_of(model).get_concrete_function(tf.zeros((2, 16, 16, 1))).graph
        operations = graph.get_operations()
        kernels = [op.inputs[2].name for op in operations if op.type == "Conv2DBackpropFilter"]
        biases = {op.inputs[0].name for op in operations if op.type == "BiasAddGrad"}
        assert len(kernels) == 6
        return Counter(kernels.count(bias) for bias in biases if bias in kernels)

    assert max(users(added_up())) > 1
    assert users(safe_to_train(added_up())).keys() == {1}


SHAPE = (4, 4, 3)
DTYPES = ["float32", "bfloat16"]


def numbers(seed: int, dtype: str, images: int = 5) -> tf.Tensor:
    """Return features of both signs, some of them 0."""
    values = np.random.default_rng(seed).normal(size=(images, *SHAPE))
    return tf.cast(np.where(np.abs(values) < 0.3, 0, values), dtype)


def gradients(layer: keras.Layer, inputs: list[tf.Tensor], of_outputs: tf.Tensor) -> list[bytes]:
    """Give outputs and gradients to the bit, computed in a graph that does not know the batch."""

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], inputs[0].dtype)] * 3)
    def found(one: tf.Tensor, other: tf.Tensor, of_outputs: tf.Tensor) -> list[tf.Tensor]:
        given = [one, other][: len(inputs)]
        with tf.GradientTape() as tape:
            tape.watch(given)
            # Used again afterwards, as in a residual network.
            outputs = layer(given if len(given) > 1 else one * 2)
        return [outputs, *tape.gradient(outputs, given, of_outputs)]

    several = found(inputs[0], inputs[-1], of_outputs)
    return [tf.bitcast(each, tf.uint8).numpy().tobytes() for each in several]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_relu_has_the_outputs_and_gradients_of_kerass(dtype: str) -> None:
    features, of_outputs = numbers(0, dtype), abs(numbers(1, dtype))
    own, kerass = ReLU(dtype=dtype), keras.layers.ReLU(dtype=dtype)
    assert gradients(own, [features], of_outputs) == gradients(kerass, [features], of_outputs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sum_has_the_outputs_and_gradients_of_kerass(dtype: str) -> None:
    both, of_outputs = [numbers(4, dtype), numbers(5, dtype)], numbers(6, dtype)
    own, kerass = Add(dtype=dtype), keras.layers.Add(dtype=dtype)
    assert gradients(own, both, of_outputs) == gradients(kerass, both, of_outputs)


def test_the_whole_gradient_of_a_relu_is_not_inlined() -> None:
    """It would be written into what it reads, which takes many times as long."""

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.bfloat16)])
    def found(features: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = ReLU(dtype="bfloat16")(features)
        return tape.gradient(outputs, features, outputs)

    graph = found.get_concrete_function().graph.as_graph_def()
    assert "ReluGrad" not in {node.op for node in graph.node}
    apart = [one for one in graph.library.function if one.attr["_noinline"].b]
    assert [node.op for one in apart for node in one.node_def].count("ReluGrad") == 1
