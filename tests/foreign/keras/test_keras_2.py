"""Files that Keras 2 itself wrote give the answers that they gave there."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from kextract.foreign.keras import load_archive
from kextract.foreign.keras.description import safe_name
from kextract.models.input_range import Preprocessing
from tests.foreign.keras.examples import save
from tests.foreign.keras.write_keras_2 import EXPECTED, FILES, SHAPE, WRITTEN, pixels


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


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["first layer", "Schicht ä", "layer (1)", "_hidden", "a>b"])
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
