"""ReLU and sum are Keras's own, gradients included."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.blocks import Blocks
from kextract.models.tf_workarounds import Add, ReLU

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
def test_a_relu_passes_gradients_of_any_sign_where_it_passed_features(dtype: str) -> None:
    features, of_outputs = numbers(2, dtype), numbers(3, dtype)
    with tf.GradientTape() as tape:
        tape.watch(features)
        outputs = ReLU(dtype=dtype)(features)
    found = tape.gradient(outputs, features, of_outputs)
    assert np.array_equal(found, np.where(np.asarray(features) > 0, of_outputs, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sum_has_the_outputs_and_gradients_of_kerass(dtype: str) -> None:
    both, of_outputs = [numbers(4, dtype), numbers(5, dtype)], numbers(6, dtype)
    own, kerass = Add(dtype=dtype), keras.layers.Add(dtype=dtype)
    assert gradients(own, both, of_outputs) == gradients(kerass, both, of_outputs)


def test_the_gradient_of_a_sum_asks_for_no_shapes() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE])] * 2)
    def found(one: tf.Tensor, other: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([one, other])
            outputs = Add()([one, other])
        return tape.gradient(outputs, [one, other], one)  # type: ignore[no-any-return]

    kinds = {operation.type for operation in found.get_concrete_function().graph.get_operations()}
    assert "Shape" not in kinds


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


def test_anybody_can_read_a_model_of_them() -> None:
    inputs = keras.Input(SHAPE)
    blocks = Blocks(0.0)
    model = keras.Model(inputs, blocks.sum(blocks.activation(inputs), inputs))
    read = keras.Model.from_config(model.get_config())
    assert [type(layer) for layer in read.layers[1:]] == [keras.layers.ReLU, keras.layers.Add]
