"""Layers models of TensorFlow.js: the same networks as in the HDF5 files that they were made of."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.foreign.keras import load_archive
from kextract.models.input_range import Preprocessing
from tests.foreign.keras.tfjs import SHARDS, changed, converted
from tests.foreign.keras.write_keras_2 import FILES
from tests.foreign.refusing import refused

FILE = FILES / "convolutions.h5"


@pytest.mark.parametrize("name", ["arithmetic.h5", "convolutions.h5", "fine_tuned.h5"])
def test_a_model_has_the_tensors_of_the_file_that_it_was_made_of(name: str, tmp_path: Path) -> None:
    expected = load_archive(FILES / name)
    found = load_archive(converted(FILES / name, tmp_path / "tfjs"))
    assert (found.about["format"], found.sha256) == ("tfjs", expected.sha256)
    assert found.about["keras_version"] == expected.about["keras_version"]


@pytest.mark.parametrize(("dtype", "most"), [("float16", 1e-3), ("uint8", 0.05)])
def test_quantized_weights_are_what_their_integers_stand_for(
    dtype: str, most: float, tmp_path: Path
) -> None:
    info = load_archive(FILE, input_range=Preprocessing(0, 1))
    model = info.model
    read = load_archive(
        converted(FILE, tmp_path / "tfjs", dtype), input_range=Preprocessing(0, 1)
    ).model
    images = np.random.default_rng(0).uniform(-1, 1, (4, *info.input_shape)).astype(np.float32)
    expected, found = model(images).numpy(), read(images).numpy()
    assert 0 < np.abs(found - expected).max() < most * np.abs(expected).max()


def test_one_that_tensorflow_js_itself_has_saved_is_read(tmp_path: Path) -> None:
    """It writes the model without a folder around it, and a version of its own."""

    def as_saved(model: dict[str, Any]) -> None:
        topology = model["modelTopology"]
        model["modelTopology"] = {
            **topology["model_config"],
            "keras_version": "tfjs-layers 4.22.0",
            "backend": "tensor_flow.js",
        }

    path = changed(converted(FILE, tmp_path / "tfjs"), as_saved)
    assert load_archive(path).sha256 == load_archive(FILE).sha256


refusal = partial(refused, load_archive)


def weight(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model["weightsManifest"][0]["weights"][0]
    return found


def paths(model: dict[str, Any]) -> list[Any]:
    found: list[Any] = model["weightsManifest"][0]["paths"]
    return found


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a graph": (lambda model: model.update(format="graph-model"), "tensorflowjs_converter"),
    "no format, a graph": (lambda model: model.update(modelTopology={"node": []}), "graph model"),
    "no weights": (lambda model: model.pop("weightsManifest"), "not a model of TensorFlow.js"),
    "a shard above": (lambda model: paths(model).__setitem__(0, "../secret"), "not in its folder"),
    "a shard behind a link": (lambda model: paths(model).__setitem__(0, "link"), "not in its"),
    "no shard": (lambda model: paths(model).__setitem__(0, "gone.bin"), "not in its folder"),
    "a shard twice": (lambda model: paths(model).__setitem__(1, paths(model)[0]), "a shard twice"),
    "a shard too few": (lambda model: paths(model).pop(), "its tensors need"),
    "a number as path": (lambda model: paths(model).__setitem__(0, 3), "cannot be filled"),
    "a huge shape": (lambda model: weight(model).update(shape=[1 << 31, 1 << 31]), "bytes of weig"),
    "a shape below zero": (lambda model: weight(model).update(shape=[-1]), "a few whole numbers"),
    "another shape": (lambda model: weight(model).update(shape=[1]), "more weights than its file"),
    "no scale": (
        lambda model: weight(model).update(quantization={"dtype": "uint8"}),
        "is quantized by something that is not a number",
    ),
    "a name twice": (
        lambda model: weight(model).update(name=model["weightsManifest"][0]["weights"][1]["name"]),
        "has a tensor twice",
    ),
    "a list as class": (
        lambda model: model["modelTopology"]["model_config"].update(class_name=[]),
        "does not have the form",
    ),
    "a Lambda": (
        lambda model: model["modelTopology"]["model_config"]["config"]["layers"][1].update(
            class_name="Lambda"
        ),
        "it runs code from the file",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    change, expected = WRONG[case]
    path = converted(FILE, tmp_path / "tfjs")
    (tmp_path / "secret").write_bytes((path.parent / SHARDS[0]).read_bytes())
    (path.parent / "link").symlink_to(tmp_path / "secret")
    assert expected in refusal(changed(path, change))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = converted(FILE, tmp_path / "tfjs")
    shard = path.parent / SHARDS[0]
    shard.write_bytes(b"\xff" * len(shard.read_bytes()))
    assert "holds a NaN or an infinity" in refusal(path)


def test_json_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for content in ("", "[]", "{}", "[" * 300_000, json.dumps({"modelTopology": {}})):
        path.write_text(content)
        refusal(path)
    assert "no such file" in refusal(tmp_path / "other.json")
