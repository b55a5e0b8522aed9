"""Whole models in HDF5 files, of Keras 2.0 (2017) to Keras 3, and all that Keras 2 itself wrote."""

import os
import warnings
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import CheckpointError
from kextract.foreign.keras import load_archive
from kextract.foreign.keras.description import safe_name
from kextract.models.input_range import Preprocessing
from kextract.models.statistics import batch_norm_layers
from tests.foreign.keras import examples
from tests.foreign.keras.examples import filled, save
from tests.foreign.keras.keras_2 import VERSION, rewritten
from tests.foreign.keras.test_loading import logits_of
from tests.foreign.keras.tutorials import TUTORIALS
from tests.foreign.keras.write_keras_2 import EXPECTED, FILES, SHAPE, WRITTEN, pixels

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
REAL = Path(os.environ.get("KEXTRACT_DATA", "")) / "fer-emotion.hdf5"
OLD = ("first_steps", "fine_tuned", "residual", "cats_and_dogs")
"""A plain one, one inside another, one with branches, and one that scales pixels itself."""


@pytest.mark.parametrize("name", OLD)
def test_a_file_of_2017_gives_the_logits_of_the_network_in_it(name: str, tmp_path: Path) -> None:
    keras.utils.clear_session()
    saved = filled(TUTORIALS[name]())
    path = rewritten(save(saved, tmp_path / "x.h5"))
    info = load_archive(path, input_range=Preprocessing(0, 255))
    model = info.model
    assert (info.about["format"], info.about["keras_version"]) == ("hdf5", VERSION)
    images = np.random.default_rng(0).uniform(-1, 1, (3, *info.input_shape)).astype(np.float32)
    expected = logits_of(saved, (images + 1) * 127.5)
    np.testing.assert_allclose(model(images).numpy(), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_a_real_file_of_2017_answers_as_it_does_in_keras() -> None:
    if not REAL.exists():
        pytest.skip("needs fer-emotion.hdf5 in KEXTRACT_DATA")
    info = load_archive(REAL)
    model = info.model
    assert (info.input_shape, info.classes, info.head.taken_off) == ((64, 64, 1), 7, True)
    found = (info.network.count_params(), len(batch_norm_layers(info.network)))
    assert found == (58_423, 14)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    expected = keras.models.load_model(REAL, compile=False)([images]).numpy()
    np.testing.assert_allclose(tf.nn.softmax(model(images)), expected, atol=1e-6)


def edited(tmp_path: Path, change: Any) -> Path:
    path = save(examples.small("softmax"), tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def of_other_shape(file: Any) -> None:
    group = file["model_weights/conv"]
    name = group.attrs["weight_names"][0]
    del group[name]
    group[name] = np.zeros((3, 3, 2, 1), "f4")


def without_a_tensor(file: Any) -> None:
    group = file["model_weights/norm"]
    group.attrs["weight_names"] = group.attrs["weight_names"][:3]


def swapped(file: Any) -> None:
    group = file["model_weights/norm"]
    names = list(group.attrs["weight_names"])
    group.attrs["weight_names"] = [names[1].replace("norm", "other"), *names[0:1], *names[2:]]
    group.create_group("other")["beta"] = group[names[1]][()]


def not_finite(file: Any) -> None:
    group = file["model_weights/norm"]
    group[group.attrs["weight_names"][0]][0] = np.inf


def without_a_layer(file: Any) -> None:
    names = file["model_weights"].attrs["layer_names"]
    file["model_weights"].attrs["layer_names"] = [name for name in names if name != "end"]


def with_weights_of_its_own(file: Any) -> None:
    group = file["model_weights/top_level_model_weights"]
    group.attrs["weight_names"] = ["x"]
    group["x"] = np.zeros(3, "f4")


REFUSED: dict[str, tuple[Any, str]] = {
    "shape": (of_other_shape, "has shape (3, 3, 2, 1)"),
    "missing tensor": (without_a_tensor, "layer 'norm' has 3 tensors in the file, not 4"),
    "order": (swapped, "'norm' has tensors of other names"),
    "infinite": (not_finite, "holds a NaN"),
    "missing layer": (without_a_layer, "has tensors of 2 layers, and 3 layers that have some"),
    "weights of the model": (with_weights_of_its_own, "belong to none of its layers"),
    "no text": (lambda f: f.attrs.__setitem__("model_config", 3), "'model_config' is not text"),
    "no JSON": (lambda f: f.attrs.__setitem__("model_config", "x"), "not JSON"),
    "Keras 1": (lambda f: f.attrs.__setitem__("keras_version", "1.2.2"), "by Keras 1.2.2"),
    "long": (lambda f: f.attrs.__setitem__("model_config", "[" * (5 << 20)), "longer than 4194304"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_file_whose_tensors_are_not_those_of_its_layers_is_refused(
    name: str, tmp_path: Path
) -> None:
    change, says = REFUSED[name]
    with pytest.raises(CheckpointError) as caught:
        load_archive(edited(tmp_path, change))
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_of_keras_2_answers_as_it_did_there(name: str) -> None:
    info = load_archive(FILES / name, input_range=Preprocessing(0, 255))
    model = info.model
    found = model(pixels() / np.float32(127.5) - 1).numpy()
    if info.head.taken_off:
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.load(EXPECTED)[name], rtol=1e-4, atol=1e-5)
    written = {"tf_keras": "2.20.1", "tensorflow.keras": "2.15.0"}[WRITTEN[name][0]]
    assert info.about["keras_version"] == written
    assert (info.input_shape, info.classes) == (SHAPE, 3)


def test_the_files_are_those_of_the_script() -> None:
    assert {path.name for path in FILES.iterdir()} == {*WRITTEN, "expected.npz", "README.md"}


@pytest.mark.parametrize(
    ("name", "ending"),
    [("first layer", ".h5"), ("Schicht ä", ".keras"), ("layer (1)", ".h5"), ("_hidden", ".keras")],
)
def test_any_printable_name_of_a_layer_is_read(name: str, ending: str, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 1), name=f"{name} 0")
    x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name=name)(image))
    saved = keras.Model(image, keras.layers.Dense(3, name=f"{name} 2")(x))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
        model = load_archive(save(saved, tmp_path / f"x{ending}")).model
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(model(images), saved(images), rtol=1e-4, atol=1e-5)


def test_names_that_are_taken_stay_and_others_remain_different() -> None:
    assert safe_name("block1_conv.2-a") == "block1_conv.2-a"
    assert safe_name("conv1/bn") == "conv1>bn"
    odd = ["a b", "a_b", "a/b", "a.b", "ab", "_ab", "a\u00e4b", "\u00e4", "a//b", "-ab"]
    assert len({safe_name(name) for name in odd}) == len(odd)
