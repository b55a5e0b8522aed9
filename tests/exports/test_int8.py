"""int8 files, read by LiteRT alone, with the arithmetic done again by hand."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kextract.errors import GateError
from kextract.exports.exporting import CheckImages, export_model, with_extremes
from kextract.exports.formats import ExportTarget
from kextract.exports.report import ExportReport
from kextract.models.input_range import Preprocessing
from kextract.teachers.runtimes import Numbers
from tests.exports.examples import expected_logits, images, network

litert = pytest.importorskip("ai_edge_litert.interpreter")

CHECKS = (CheckImages("drawn", images(32, 1)),)
RANGE = Preprocessing(0, 255)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


@pytest.fixture(scope="module")
def exported(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("int8") / "a.tflite"
    # No pixel of these is black or white.
    calm = np.clip(images(64), 20, 235)
    request = ExportTarget("tflite", "int8", "logits", RANGE)
    return path, export_model(model, path, request, checks=CHECKS, calibration=calm)


@pytest.fixture(scope="module")
def interpreter(exported: tuple[Path, ExportReport]) -> Any:
    opened = litert.Interpreter(model_path=str(exported[0]))
    opened.allocate_tensors()
    return opened


def test_input_and_output_are_int8_and_so_is_all_between_but_biases(interpreter: Any) -> None:
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (given["dtype"], made["dtype"]) == (np.int8, np.int8)
    kinds = {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    assert kinds <= {np.int8, np.int32}


def test_the_input_is_the_pixel_less_128_whatever_was_calibrated_on(interpreter: Any) -> None:
    (given,) = interpreter.get_input_details()
    scale, zero = given["quantization"]
    assert scale == pytest.approx(1.0)
    assert zero == -128


def test_the_logits_are_the_model_s_within_a_few_steps_of_the_output(
    model: keras.Model, interpreter: Any
) -> None:
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = made["quantization"]
    pixels = images(20, 7)
    found = []
    for image in pixels:
        interpreter.set_tensor(given["index"], (image[None].astype(int) - 128).astype(np.int8))
        interpreter.invoke()
        found.append((interpreter.get_tensor(made["index"])[0].astype(float) - zero) * scale)
    expected = expected_logits(model, pixels)
    inside = np.clip(expected, (-128 - zero) * scale, (127 - zero) * scale)
    assert np.abs(np.array(found) - inside).mean() < 2 * scale


def test_a_bad_calibration_is_not_written(model: keras.Model, tmp_path: Path) -> None:
    grey = np.full_like(images(4), 128)
    request = ExportTarget("tflite", "int8", least_agreement=0.97)
    with pytest.raises(GateError, match=r"% of 32 drawn images, at least 97\.0%.*--calibrate"):
        export_model(model, tmp_path / "a.tflite", request, checks=CHECKS, calibration=grey)
    assert list(tmp_path.iterdir()) == []


def test_extremes_are_put_into_copies_of_corners_only() -> None:
    calm = np.full((3, 4, 4, 2), 127, np.uint8)
    extreme = with_extremes(calm)
    assert (extreme.min(axis=(0, 1, 2)) == 0).all()
    assert (extreme.max(axis=(0, 1, 2)) == 255).all()
    assert (extreme != calm).sum() == 4
    assert (calm == 127).all()


def test_integers_are_numbers_over_a_scale_from_a_zero_point() -> None:
    held = Numbers(np.dtype(np.int8), 0.5, 10)
    values = np.array([0.0, 0.26, -1.0, 1000.0, -1000.0], np.float32)
    integers = held.quantized(values)
    assert integers.dtype == np.int8
    np.testing.assert_array_equal(integers, [10, 11, 8, 127, -128])
    np.testing.assert_array_equal(held.reals(integers), [0.0, 0.5, -1.0, 58.5, -69.0])
