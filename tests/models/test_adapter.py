from typing import Any

import keras
import numpy as np
import pytest

from kextract.models.adapter import LEAST_PROBABILITY, adapt, guess_head
from kextract.models.input_range import NAMED, PIXELS, Preprocessing

SHAPE = (16, 16, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, *SHAPE)).astype(np.float32)


def mean_of(pixels: int) -> Any:
    """A network that gives the means of the image's first rows."""
    image = keras.Input(SHAPE)
    return keras.Model(image, keras.ops.mean(image, axis=(2, 3))[:, :pixels])


@pytest.mark.parametrize(
    ("outputs", "head"),
    [
        ([[0.2, 0.8], [1.0, 0.0]], "probabilities"),
        ([[0.2, 0.8], [0.4, 0.4]], "logits"),
        ([[-0.2, 1.2], [0.5, 0.5]], "logits"),
        ([[0.2], [0.9]], "probabilities"),
        ([[0.2], [-3.0]], "logits"),
        ([[[[0.5, 0.5]]]], "probabilities"),
    ],
)
def test_outputs_that_sum_to_1_are_probabilities(outputs: Any, head: str) -> None:
    assert guess_head(np.array(outputs)) == head


def test_black_and_white_are_what_the_network_takes_them_for() -> None:
    model = adapt(mean_of(3), SHAPE, head="logits", input_range=Preprocessing(0, 255))
    for pixel, seen in ((-1, 0), (0, 127.5), (1, 255)):
        np.testing.assert_allclose(model(np.full((1, *SHAPE), pixel, np.float32)), [[seen] * 3])


def test_a_probability_of_0_has_a_finite_logit() -> None:
    model = adapt(mean_of(2), SHAPE, head="probabilities", input_range=Preprocessing(0, 1))
    logits = model(np.full((1, *SHAPE), -1, np.float32))
    np.testing.assert_allclose(logits, np.log([[LEAST_PROBABILITY] * 2]), rtol=1e-5)


def test_one_number_is_that_of_the_second_of_two_classes() -> None:
    model = adapt(mean_of(1), SHAPE, head="logits", input_range=PIXELS)
    means = IMAGES[:, 0].mean(axis=(1, 2))
    expected = np.stack([np.zeros(4), means], axis=1)
    np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_network_sees_what_its_preprocessing_makes_of_pixels(name: str) -> None:
    image = keras.Input((4, 4, 3))
    means = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    model = adapt(means, (4, 4, 3), head="logits", input_range=NAMED[name])
    expected = NAMED[name].apply(images).mean(axis=(1, 2))
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-4)


def test_a_network_may_take_images_without_an_axis_for_channels() -> None:
    image = keras.Input((16, 16))
    rows = keras.Model(image, keras.ops.mean(image, axis=2))
    model = adapt(rows, SHAPE, head="logits", input_range=PIXELS)
    np.testing.assert_allclose(model(IMAGES), IMAGES[..., 0].mean(axis=2), atol=1e-6)
