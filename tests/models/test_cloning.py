from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import RequestError
from kextract.models.adapter import adapt
from kextract.models.architectures import build_model
from kextract.models.batch_norm import BatchNormalization
from kextract.models.cloning import folded, plain
from kextract.models.heads import Head
from kextract.models.input_range import Preprocessing
from kextract.models.statistics import batch_norm_layers
from tests.models.examples import images, stirred


@pytest.mark.parametrize("name", ["wrn-16-1", "tiny"])
def test_the_copy_answers_as_the_model_does(name: str) -> None:
    model = stirred(build_model(name, (20, 16, 3), 5))
    seen = images(8, 20, 16, 3)
    expected = model(seen, training=False).numpy()
    found = plain(model)(seen, training=False).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("classes", [1, 3])
def test_arithmetic_between_layers_is_copied(classes: int) -> None:
    """Probabilities become logits by bare operations, which take no options of layers."""
    activation = "softmax" if classes > 1 else "sigmoid"
    layers = [keras.layers.Flatten(), keras.layers.Dense(classes, activation=activation)]
    inner = stirred(keras.Sequential([keras.Input((4, 4, 1)), *layers]))
    model = adapt(inner, (4, 4, 1), head=Head("probabilities"), input_range=Preprocessing(0, 1))
    seen = images(8, 4, 4, 1)
    np.testing.assert_allclose(plain(model)(seen), model(seen), rtol=1e-5, atol=1e-6)


class OfItsOwn(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="mine")
        self.classifier = keras.layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.classifier(keras.ops.reshape(inputs, (-1, 16)))


class Doubled(keras.layers.Layer):
    def __init__(self, why: object) -> None:
        super().__init__(name="doubled")
        self.why = why

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def test_code_of_somebody_s_own_is_refused_by_name() -> None:
    pixels = keras.Input((4, 4, 1))
    inside = keras.Model(pixels, OfItsOwn()(pixels))
    with pytest.raises(RequestError, match=r"^the model 'mine' computes in code of its own"):
        plain(inside)
    with pytest.raises(RequestError, match=r"^the layer 'doubled' computes in code of its own"):
        plain(keras.Model(pixels, keras.layers.Flatten()(Doubled(object())(pixels))))


SHAPE = (9, 9, 3)
layers = keras.layers
IMAGES = images(6, *SHAPE)


def in_a_row(*between: keras.Layer) -> keras.Model:
    head = [layers.GlobalAveragePooling2D(), layers.Dense(4)]
    return stirred(keras.Sequential([keras.Input(SHAPE), *between, *head]))


LINEAR = [
    layers.Conv2D(5, 3, strides=2, padding="same"),
    layers.Conv2D(6, 3, groups=3, use_bias=False),
    layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False),
    layers.SeparableConv2D(5, 3, use_bias=False),
    layers.Dense(5),
]
NORMALIZATIONS = [
    layers.BatchNormalization(scale=False, epsilon=0.1),
    layers.BatchNormalization(center=False),
    BatchNormalization(),
]


@pytest.mark.parametrize(
    ("linear", "normalization"),
    [
        *((linear, layers.BatchNormalization()) for linear in LINEAR),
        *((LINEAR[0], normalization) for normalization in NORMALIZATIONS),
    ],
)
def test_a_linear_layer_takes_its_normalization_in(
    linear: keras.Layer, normalization: keras.Layer
) -> None:
    again = type(normalization).from_config(normalization.get_config())
    network = in_a_row(type(linear).from_config(linear.get_config()), again, layers.ReLU())
    copy = folded(network)
    assert batch_norm_layers(copy) == []
    np.testing.assert_allclose(copy(IMAGES), network(IMAGES, training=False), rtol=1e-4)


@pytest.mark.parametrize(
    "before",
    [
        [layers.Conv2D(5, 3, activation="relu")],
        [layers.Conv2D(5, 3), layers.ReLU()],
        [],
    ],
    ids=["an activation of its own", "an activation between", "nothing"],
)
def test_a_normalization_after_anything_else_stays(before: list[keras.Layer]) -> None:
    network = in_a_row(*before, layers.BatchNormalization())
    assert folded(network) is network


def test_a_normalization_stays_where_something_else_needs_what_it_is_given() -> None:
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(5, 3, padding="same")(inputs)
    outputs = layers.GlobalAveragePooling2D()(layers.add([x, layers.BatchNormalization()(x)]))
    assert folded(network := stirred(keras.Model(inputs, outputs))) is network


def test_in_bfloat16_a_copy_is_all_bfloat16_and_as_near_to_float32_as_the_network() -> None:
    shape = (16, 16, 3)
    seen = images(6, *shape)
    exact = build_model("resnet11", shape, 4, seed=1)
    rounded = build_model("resnet11", shape, 4, precision="bfloat16", seed=1)
    rounded.set_weights(exact.get_weights())
    copy = folded(rounded)
    assert copy is not rounded

    def error(network: keras.Model) -> Any:
        return np.abs(np.asarray(network(seen)) - exact(seen)).max()

    assert error(copy) < 2 * error(rounded)
    graph = tf.function(copy).get_concrete_function(tf.TensorSpec((None, *shape))).graph
    casts = [op.outputs[0] for op in graph.get_operations() if op.type == "Cast"]
    assert not [cast for cast in casts if cast.dtype == tf.float32 and cast.shape.rank == 4]
