"""Narrow strided convolutions, which TensorFlow may write beyond its memory for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.blocks import NARROW, without_narrow_strides

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
    assert strided(without_narrow_strides(model)) == [[1, 1], [1, 1]]
    np.testing.assert_allclose(model(IMAGES), before, atol=1e-6)


def test_a_wide_network_stays_as_it_is(tensorflow: object) -> None:
    assert strided(without_narrow_strides(network(NARROW, "same"))) == [[1, 1], [2, 2]]
