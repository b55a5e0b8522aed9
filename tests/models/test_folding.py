"""Batch normalizations that become a part of the layers before them."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.batch_norm import BatchNormalization
from kextract.models.build import build_model
from kextract.models.cloning import folded
from kextract.models.statistics import batch_norm_layers
from tests.models.examples import images, stirred

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


def test_an_operation_that_is_no_layer_is_not_forgotten() -> None:
    """Nobody sees it ask for what the normalization is given."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(5, 3, padding="same")(inputs)
    outputs = keras.ops.mean(layers.BatchNormalization()(x) + x, axis=(1, 2))
    assert folded(network := stirred(keras.Model(inputs, outputs))) is network


def test_models_inside_a_model_are_folded_too() -> None:
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(5, 3)(inputs)
    inner = keras.Model(inputs, layers.ReLU()(layers.BatchNormalization()(x)))
    network = in_a_row(inner)
    copy = folded(network)
    assert batch_norm_layers(copy) == []
    np.testing.assert_allclose(copy(IMAGES), network(IMAGES, training=False), rtol=1e-4)


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
