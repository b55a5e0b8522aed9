from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.architectures import build_model
from kextract.models.batch_norm import BatchNormalization, hold_statistics
from kextract.models.statistics import batch_norm_layers, logits_and_inputs

L = keras.layers
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)


def sequential() -> Any:
    layers = [L.Conv2D(2, 3), L.BatchNormalization(name="a"), L.Flatten(), L.Dense(3)]
    return keras.Sequential([keras.Input((16, 16, 1)), *layers, L.BatchNormalization(name="b")])


def functional() -> Any:
    return build_model("tiny", (16, 16, 1), 3)


def nested() -> Any:
    image = keras.Input((16, 16, 1))
    inner = keras.Sequential([keras.Input((16, 16, 1)), BatchNormalization(name="a")])
    middle_image = keras.Input((16, 16, 1))
    middle = keras.Model(middle_image, L.BatchNormalization(name="b")(inner(middle_image)))
    x = L.BatchNormalization(name="c")(L.Flatten()(middle(image)))
    return keras.Model(image, L.Dense(3)(x))


def shared() -> Any:
    image = keras.Input((16, 16, 1))
    norm = L.BatchNormalization(name="a")
    return keras.Model(image, L.Dense(3)(L.Flatten()(norm(norm(image) + 1.0))))


MODELS = {"sequential": sequential, "functional": functional, "nested": nested, "shared": shared}


@pytest.mark.parametrize(
    ("name", "names"), [("sequential", "ab"), ("nested", "abc"), ("shared", "a")]
)
def test_batch_normalizations_are_listed_in_order_and_once(name: str, names: str) -> None:
    assert "".join(layer.name for layer in batch_norm_layers(MODELS[name]())) == names


def test_each_input_is_what_the_layer_normalized() -> None:
    model = nested()
    for layer in batch_norm_layers(model):
        layer.moving_mean.assign(np.full(layer.moving_mean.shape, 0.25, np.float32))
        layer.moving_variance.assign(np.full(layer.moving_variance.shape, 4.0, np.float32))
    _, seen = logits_and_inputs(model, tf.constant(IMAGES))
    expected = IMAGES
    for (layer, value), name in zip(seen, "abc", strict=True):
        assert layer.name == name
        np.testing.assert_allclose(value, expected.reshape(value.shape), atol=1e-6)
        expected = (expected - 0.25) / np.sqrt(4.0 + layer.epsilon)


def test_statistics_of_inner_models_are_held_too() -> None:
    inner = functional()
    image = keras.Input((16, 16, 1))
    model = keras.Model(image, inner(image))
    hold_statistics(model)
    before = inner.get_weights()
    model(IMAGES, training=True)
    for old, new in zip(before, inner.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
