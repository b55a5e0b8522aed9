import keras
import numpy as np
import pytest

from kextract.models import MODELS, cost
from kextract.models.architectures import build_model
from kextract.models.cost import Cost, at_once, cost_of, in_batches, parts

DEEP = {"resnet20", "resnet29", "wrn-16-2", "wrn-40-2"}
"""Networks of the blocks that shallower or narrower ones are made of."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in DEEP else ()) for name in MODELS]
)
def test_every_network_costs_what_is_listed_and_answers_with_float32_logits(name: str) -> None:
    model = build_model(name, (32, 32, 3), 10, precision="bfloat16")
    assert cost_of(model) == MODELS[name].cost
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    logits = model(images, training=False)
    assert (logits.shape, logits.dtype) == ((2, 10), "float32")
    assert np.isfinite(logits.numpy()).all()
    assert {variable.dtype for variable in model.variables} == {"float32"}


LAYERS = keras.layers


def of_layer(layer: keras.Layer, shape: tuple[int, ...]) -> int:
    inputs = keras.Input(shape)
    return cost_of(keras.Model(inputs, layer(inputs))).multiply_adds


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (LAYERS.Conv2D(5, 3, padding="same"), 8 * 6 * 5 * (3 * 3 * 4)),
        (LAYERS.Conv2D(5, 3, strides=2, padding="same"), 4 * 3 * 5 * (3 * 3 * 4)),
        (LAYERS.Conv2D(6, (1, 3), groups=2), 8 * 4 * 6 * (1 * 3 * 2)),
        (LAYERS.DepthwiseConv2D(3, depth_multiplier=2), 6 * 4 * 8 * (3 * 3)),
        (LAYERS.SeparableConv2D(5, 3), 6 * 4 * (4 * 3 * 3 + 4 * 5)),
        (LAYERS.Conv2DTranspose(5, 2, strides=2), 8 * 6 * 4 * (2 * 2 * 5)),
        (LAYERS.Dense(7), 8 * 6 * 4 * 7),
        (LAYERS.MaxPooling2D(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else "",
)
def test_a_layer_costs_its_kernel_at_every_place(layer: keras.Layer, expected: int) -> None:
    assert of_layer(layer, (8, 6, 4)) == expected


def test_lenet5_costs_what_is_published() -> None:
    """416,520 multiply-adds on MNIST, with all sixteen maps of the second convolution connected."""
    assert cost_of(build_model("lenet5", (28, 28, 1), 10)) == Cost(61_706, 416_520)


def test_a_model_inside_a_model_is_counted_and_a_layer_that_is_applied_twice_twice() -> None:
    shared, inner = LAYERS.Dense(4), keras.Sequential([keras.Input((4,)), LAYERS.Dense(3)])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(shared(shared(inputs))))
    assert cost_of(model) == Cost(4 * 4 + 4 + 4 * 3 + 3, 2 * 4 * 4 + 4 * 3)


def network(side: int, channels: int = 8) -> keras.Model:
    """Make two features of `channels` numbers per pixel, one of as many, and one of two."""
    image = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(image)
    x = keras.layers.ReLU()(x)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


def test_of_large_images_there_are_as_many_as_there_is_memory_for() -> None:
    # Per image: the input, two features, their means and two logits, in float32.
    largest = 4 * (100 * 100 * (3 + 2 * 64) + 64)
    assert at_once(network(100, 64), 500) == cost.MEMORY // largest
    assert at_once(network(100, 64), 500, all_held=True) == cost.MEMORY // (largest + 8)
    assert at_once(network(100, 64), 10) == 10


def test_what_is_held_until_there_is_a_gradient_takes_more_than_what_is_passed_on() -> None:
    image = x = keras.Input((80, 80, 1))
    for _ in range(20):
        x = keras.layers.Conv2D(32, 3, padding="same")(x)
    deep = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    assert at_once(deep, 10_000) > 4 * at_once(deep, 10_000, all_held=True)


def test_outputs_come_in_the_order_of_the_images() -> None:
    images = np.arange(7).reshape(7, 1)
    assert [len(part) for part in parts(images, 3)] == [3, 3, 1]
    np.testing.assert_array_equal(in_batches(lambda part: 2 * part, images, 3), 2 * images)
