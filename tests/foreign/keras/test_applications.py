"""The networks of keras.applications are read as teachers, each with its own layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kextract.foreign.keras import load_archive
from tests.foreign.keras.examples import save

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
Build = Callable[..., Any]
made = keras.applications

NETWORKS: dict[str, tuple[Build, int]] = {
    "MobileNet": (made.MobileNet, 224),
    "MobileNetV2": (made.MobileNetV2, 224),
    "MobileNetV3Small": (made.MobileNetV3Small, 224),
    "EfficientNetB0": (made.EfficientNetB0, 224),
    "EfficientNetV2B0": (made.EfficientNetV2B0, 64),
    "ResNet50": (made.ResNet50, 224),
    "VGG16": (made.VGG16, 224),
    "DenseNet121": (made.DenseNet121, 32),
    "NASNetMobile": (made.NASNetMobile, 32),
    "InceptionV3": (made.InceptionV3, 75),
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_of_keras_applications_is_read(name: str, ending: str, tmp_path: Path) -> None:
    build, side = NETWORKS[name]
    keras.utils.set_random_seed(0)
    saved = build(input_shape=(side, side, 3), weights=None, classes=5)
    info = load_archive(save(saved, tmp_path / f"x{ending}"))
    model = info.model
    assert info.network.count_params() == saved.count_params()
    images = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
    expected = np.log(saved(images, training=False).numpy())
    logits = model(images).numpy()
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)
