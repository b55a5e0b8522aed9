"""Networks in memory, exported from Python."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kextract
from tests.exports.examples import SHAPE, expected_logits, images, network, softmax


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


def test_a_network_in_memory_is_exported_as_it_takes_pixels(
    model: keras.Model, tmp_path: Path
) -> None:
    pixels = keras.Input(SHAPE)
    whole = keras.Model(pixels, model(keras.layers.Rescaling(1 / 127.5, -1.0)(pixels)))
    path = tmp_path / "a.keras"
    report = kextract.export(whole, path, input_range="0,255", softmax=True)
    assert (report.format, report.inputs, report.outputs) == ("keras", "0..255", "probabilities")
    shown = images(5, 7)
    found = keras.models.load_model(path)(shown.astype(np.float32)).numpy()
    np.testing.assert_allclose(found, softmax(expected_logits(model, shown)), atol=1e-4)


def test_a_network_of_standardized_images_becomes_a_file_that_standardizes(
    model: keras.Model, tmp_path: Path
) -> None:
    path = tmp_path / "a.keras"
    assert kextract.export(model, path, input_range="per-image").inputs == "-1..1"
    shown = images(5, 7)
    expected = model(tf.image.per_image_standardization(shown.astype(np.float32)))
    found = keras.models.load_model(path)(shown.astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(found, expected, atol=2e-4)
