from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.adapter import adapt
from kextract.models.axes import arranged, image_shape
from kextract.models.heads import LOGITS, Head
from kextract.models.input_range import NAMED, PER_IMAGE, PIXELS

SHAPE = (16, 16, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, *SHAPE)).astype(np.float32)


def mean_of(pixels: int) -> Any:
    """A network that gives the means of the image's first rows."""
    image = keras.Input(SHAPE)
    return keras.Model(image, keras.ops.mean(image, axis=(2, 3))[:, :pixels])


def test_one_number_is_that_of_the_second_of_two_classes() -> None:
    model = adapt(mean_of(1), SHAPE, head=LOGITS, input_range=PIXELS)
    means = IMAGES[:, 0].mean(axis=(1, 2))
    expected = np.stack([np.zeros(4), means], axis=1)
    np.testing.assert_allclose(model(IMAGES), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["0..255", "imagenet", "caffe"])
def test_a_network_sees_what_its_preprocessing_makes_of_pixels(name: str) -> None:
    image = keras.Input((4, 4, 3))
    means = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
    model = adapt(means, (4, 4, 3), head=LOGITS, input_range=NAMED[name])
    expected = NAMED[name].apply(images).mean(axis=(1, 2))
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-4)


def test_images_are_standardized_one_by_one_as_tensorflow_does_it() -> None:
    image = keras.Input((6, 5, 3))
    flat = keras.Model(image, keras.layers.Flatten()(image))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3)).astype(np.float32)
    pixels[1] = 7
    model = adapt(flat, (6, 5, 3), head=LOGITS, input_range=PER_IMAGE)
    expected = tf.image.per_image_standardization(pixels).numpy().reshape(3, -1)
    np.testing.assert_allclose(model(pixels / 127.5 - 1), expected, atol=2e-4)
    found = PER_IMAGE.apply(pixels / 127.5 - 1)
    np.testing.assert_allclose(found.reshape(3, -1), expected, atol=2e-4)


@pytest.mark.parametrize(
    ("head", "logits"),
    [
        (Head("probabilities"), [[-np.log(4), -np.log(2)]]),
        (Head("sigmoids"), [[-np.log(3), 0.0]]),
        (Head("sigmoids", taken_off=True), [[0.25, 0.5]]),
        (Head("label-logits"), [[0.25, 0.5]]),
        (Head("log-probabilities"), [[0.25, 0.5]]),
        (Head("probabilities", taken_off=True), [[0.25, 0.5]]),
    ],
)
def test_every_kind_of_outputs_becomes_logits(head: Head, logits: Any) -> None:
    image = keras.Input(SHAPE)
    given = keras.Model(image, keras.layers.Flatten()(image)[:, :2])
    images = np.zeros((1, *SHAPE), np.float32)
    images[0, 0, :2, 0] = [0.25, 0.5]
    found = adapt(given, SHAPE, head=head, input_range=PIXELS)(images)
    np.testing.assert_allclose(found, logits, atol=1e-5)


NUMBERED: Any = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ((32, 24, 3), (32, 24, 3)),
        ((3, 32, 24), (32, 24, 3)),
        ((28, 28), (28, 28, 1)),
        ((784,), (28, 28, 1)),
        ((3072,), (32, 32, 3)),
        ((None, None, 3), None),
        ((2, 3, 32, 32), None),
    ],
)
def test_axes_tell_the_shape_of_images(axes: Any, shape: Any) -> None:
    assert image_shape(axes) == shape


def test_a_pixel_is_found_where_the_axes_have_it() -> None:
    row, column, channel = 3, 1, 2
    pixel = NUMBERED[1, row, column, channel]
    assert arranged(NUMBERED, (4, 5, 3))[1, row, column, channel] == pixel
    assert arranged(NUMBERED, (3, 4, 5))[1, channel, row, column] == pixel
    assert arranged(NUMBERED, (60,))[1, (row * 5 + column) * 3 + channel] == pixel
    assert arranged(NUMBERED[..., :1], (4, 5))[1, row, column] == NUMBERED[1, row, column, 0]
