from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError
from kextract.storage import load_weights, model_sha256, read_info
from tests.storage.examples import small_model


def values(seed: int) -> dict[str, Any]:
    model = small_model(seed)
    layers = ("conv2d", "batch_normalization", "dense")
    return {
        f"{name}/{variable.name}": variable.value.numpy()
        for name in layers
        for variable in model.get_layer(name).variables
    }


def write_legacy(path: Path, tensors: dict[str, Any]) -> None:
    """Lay a file out as tf.keras 2.3 did: the classifier apart from the rest."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"model", b"dense"])
        file.attrs["keras_version"] = "2.3.0-tf"
        file.attrs["backend"] = "tensorflow"
        for name, value in tensors.items():
            top = "dense" if name.startswith("dense/") else "model"
            file[f"{top}/{name}:0"] = value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old.h5"


def test_tensors_go_to_the_layer_of_their_name(path: Path) -> None:
    write_legacy(path, values(seed=1))
    model = small_model(seed=2)
    assert load_weights(path, model) == model_sha256(small_model(seed=1))


def test_it_says_nothing_about_itself(path: Path) -> None:
    write_legacy(path, values(seed=1))
    assert read_info(path) is None


def test_a_missing_layer_is_refused(path: Path) -> None:
    tensors = values(seed=1)
    del tensors["conv2d/bias"]
    write_legacy(path, tensors)
    with pytest.raises(CheckpointError, match="lacks 'conv2d/bias'"):
        load_weights(path, small_model())


def test_an_unknown_layer_is_refused(path: Path) -> None:
    write_legacy(path, values(seed=1) | {"conv2d_1/bias": np.zeros(2, "float32")})
    with pytest.raises(CheckpointError, match="unknown 'conv2d_1/bias'"):
        load_weights(path, small_model())


def test_another_shape_is_refused(path: Path) -> None:
    write_legacy(path, values(seed=1) | {"conv2d/bias": np.zeros(3, "float32")})
    with pytest.raises(CheckpointError, match=r"has shape \(3,\), expected \(2,\)"):
        load_weights(path, small_model())


def test_a_layer_that_occurs_twice_is_refused(path: Path) -> None:
    write_legacy(path, values(seed=1))
    with h5py.File(path, "r+") as file:
        file["dense/conv2d/bias:0"] = np.zeros(2, "float32")
    with pytest.raises(CheckpointError, match="'conv2d/bias' twice"):
        load_weights(path, small_model())
