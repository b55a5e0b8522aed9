from typing import Any

import keras
import numpy as np
import pytest

from kextract.exports.writing import drop_in
from kextract.models.input_range import NAMED, Preprocessing, standardized
from tests.exports.examples import expected_logits, images, network, softmax

MEAN, DEVIATION = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


def torch_style(pixels: Any) -> Any:
    return (pixels / 255 - np.array(MEAN)) / np.array(DEVIATION)


def caffe_style(pixels: Any) -> Any:
    return pixels[..., ::-1] - np.array([103.939, 116.779, 123.68])


@pytest.mark.parametrize(
    ("input_range", "prepare", "outputs"),
    [
        (Preprocessing(0, 255), lambda pixels: pixels, "probabilities"),
        (Preprocessing(0, 1), lambda pixels: pixels / 255, "logits"),
        (Preprocessing(-1, 1), lambda pixels: pixels / 127.5 - 1, "sigmoids"),
        (standardized(MEAN, DEVIATION), torch_style, "logits"),
        (NAMED["caffe"], caffe_style, "probabilities"),
    ],
    ids=["0..255", "0..1", "-1..1", "mean and deviation", "blue first"],
)
def test_a_drop_in_answers_pixels_prepared_as_its_teacher_s_were(
    model: keras.Model, input_range: Preprocessing, prepare: Any, outputs: str
) -> None:
    pixels = images(6)
    prepared = prepare(pixels.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(
        input_range.apply((pixels.astype(np.float64) / 127.5 - 1).astype(np.float32)),
        prepared,
        atol=2e-5 * np.abs(prepared).max(),
    )
    found = drop_in(model, input_range=input_range, outputs=outputs)(prepared).numpy()
    expected = expected_logits(model, pixels)
    if outputs != "logits":
        expected = softmax(expected) if outputs == "probabilities" else 1 / (1 + np.exp(-expected))
    np.testing.assert_allclose(found, expected, atol=1e-4)
