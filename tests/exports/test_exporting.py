"""What is exported takes and gives what was asked for; its own runtime reads each format back."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import GateError
from kextract.exports.exporting import CheckImages, drop_in, export_model, open_runtime
from kextract.exports.formats import ExportTarget, read_names
from kextract.exports.report import ExportReport
from kextract.foreign.network import read_onnx
from kextract.models.architectures import precision_policy
from kextract.models.input_range import NAMED, Preprocessing, standardized
from tests.common import softmax
from tests.exports.examples import CLASSES, NAMES, expected_logits, images, network

FILES = {"keras": "a.keras", "savedmodel": "a", "onnx": "a.onnx", "tflite": "a.tflite"}
CHECKS = (CheckImages("drawn", images(32, 1)), CheckImages("test", images(8, 2), np.zeros(8, int)))
Exported = Callable[[str], tuple[Path, ExportReport]]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


@pytest.fixture(scope="module")
def exported(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Exports to a format when it is first asked for, pixels of 0 to 255 to probabilities."""
    folder = tmp_path_factory.mktemp("exported")
    done: dict[str, tuple[Path, ExportReport]] = {}

    def export(format: str) -> tuple[Path, ExportReport]:
        if format not in done:
            path = folder / FILES[format]
            request = ExportTarget(format, "float32", "probabilities", Preprocessing(0, 255), NAMES)
            done[format] = path, export_model(model, path, request, checks=CHECKS)
        return done[format]

    return export


def run_keras(path: Path, pixels: Any) -> Any:
    assert keras.saving.get_custom_objects() == {}
    return keras.models.load_model(path, safe_mode=True)(pixels).numpy()


def run_savedmodel(path: Path, pixels: Any) -> Any:
    loaded = tf.saved_model.load(str(path))
    return loaded.serve(pixels).numpy()


def run_onnx(path: Path, pixels: Any) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    (outputs,) = session.run(None, {session.get_inputs()[0].name: pixels})
    return outputs


def run_tflite(path: Path, pixels: Any) -> Any:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    run = litert.Interpreter(model_path=str(path)).get_signature_runner()
    return np.concatenate([next(iter(run(pixels=image[None]).values())) for image in pixels])


RUN = {
    "keras": run_keras,
    "savedmodel": run_savedmodel,
    "onnx": run_onnx,
    "tflite": run_tflite,
}


@pytest.mark.parametrize("format", FILES)
def test_a_file_takes_the_chosen_pixels_and_gives_the_model_s_probabilities(
    format: str, model: keras.Model, exported: Exported
) -> None:
    path, _ = exported(format)
    pixels = images(5, 7)
    found = RUN[format](path, pixels.astype(np.float32))
    np.testing.assert_allclose(found, softmax(expected_logits(model, pixels)), atol=1e-4)


@pytest.mark.parametrize("format", FILES)
def test_the_report_says_what_was_written(
    format: str, model: keras.Model, exported: Exported
) -> None:
    path, report = exported(format)
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    assert report.bytes == sum(each.stat().st_size for each in files)
    assert report.parameters == model.count_params()
    assert report.multiply_adds == 16 * 16 * (27 * 8 + 9 * 8) + 2 * 2 * 8 * CLASSES
    assert (report.format, report.path, report.inputs) == (format, str(path), "0..255")
    assert 0 < report.milliseconds < 1000
    assert json.loads(json.dumps(report.to_dict()))["comparisons"][1]["name"] == "test"


def test_class_names_are_where_others_look_for_them(exported: Exported) -> None:
    beside = exported("savedmodel")[0] / "assets.extra" / "labels.txt"
    assert tuple(beside.read_text(encoding="utf-8").splitlines()) == NAMES
    with zipfile.ZipFile(exported("tflite")[0]) as file:
        assert tuple(file.read("labels.txt").decode().splitlines()) == NAMES
    session = pytest.importorskip("onnxruntime").InferenceSession(exported("onnx")[0])
    properties = session.get_modelmeta().custom_metadata_map
    assert tuple(json.loads(properties["class_names"])) == NAMES


@pytest.mark.parametrize("format", ["savedmodel", "tflite", "onnx"])
def test_class_names_in_a_file_are_read_again(format: str, exported: Exported) -> None:
    assert read_names(exported(format)[0]) == NAMES


def test_an_onnx_file_says_which_pixels_it_takes(exported: Exported) -> None:
    path, _ = exported("onnx")
    assert read_onnx(path).input_range == Preprocessing(0.0, 255.0)


def test_float16_saves_half_the_bytes_of_the_kernels_and_its_converter_keeps_quiet(
    model: keras.Model, exported: Exported, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, pixels = tmp_path / "a.tflite", images(5, 7)
    report = export_model(model, path, ExportTarget("tflite", "float16"), checks=CHECKS)
    assert capfd.readouterr() == ("", "")
    found = run_tflite(path, pixels.astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(found, expected_logits(model, pixels), atol=0.05)
    kernels = sum(v.numpy().size for v in model.trainable_variables if v.name == "kernel")
    assert exported("tflite")[1].bytes - report.bytes > 2 * kernels - 200


def test_a_file_that_answers_otherwise_is_not_written(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(path: Path, format: str) -> Any:
        classifier = open_runtime(path, format)
        return lambda pixels: np.roll(classifier(pixels), 1, axis=1)

    monkeypatch.setattr("kextract.exports.exporting.open_runtime", wrong)
    with pytest.raises(GateError, match=r"not written.*% of 32 drawn images, at least 99.0%"):
        export_model(model, tmp_path / "a.keras", ExportTarget("keras"), checks=CHECKS)
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_bfloat16_is_compared_in_float32(tmp_path: Path) -> None:
    """Its own rounding moves probabilities by more than a file is allowed to be off."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    with precision_policy("bfloat16"):
        model = keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(4)])
    model.layers[-1].kernel.assign(3 * model.layers[-1].kernel)
    seen = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3), np.uint8)
    kernel, bias = (value.astype(np.float64) for value in model.get_weights())
    exact = softmax((seen.reshape(32, -1) / 127.5 - 1) @ kernel + bias)
    rounded = softmax(model(seen.astype(np.float32) / 127.5 - 1).numpy().astype(np.float64))
    assert np.abs(rounded - exact).max() > 1e-3
    target = ExportTarget("keras", "float32", "logits", Preprocessing(-1, 1), ())
    path = tmp_path / "a.keras"
    report = export_model(model, path, target, checks=[CheckImages("made up", seen)])
    assert report.comparisons[0].probability_difference < 1e-4
    found = softmax(keras.models.load_model(path)(seen.astype(np.float32) / 127.5 - 1).numpy())
    np.testing.assert_allclose(found, exact, atol=1e-4)


MEAN, DEVIATION = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


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
