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

SMALL: dict[str, tuple[Build, int, dict[str, Any]]] = {
    "MobileNet": (made.MobileNet, 32, {"alpha": 0.25}),
    "MobileNetV3Small": (made.MobileNetV3Small, 32, {"alpha": 0.35}),
}
LARGE: dict[str, tuple[Build, int, dict[str, Any]]] = {
    "MobileNet": (made.MobileNet, 224, {}),
    "MobileNetV2": (made.MobileNetV2, 224, {}),
    "MobileNetV3Small": (made.MobileNetV3Small, 224, {}),
    "MobileNetV3Large": (made.MobileNetV3Large, 224, {}),
    "EfficientNetB0 at 32 pixels": (made.EfficientNetB0, 32, {}),
    "EfficientNetB0": (made.EfficientNetB0, 224, {}),
    "EfficientNetV2B0": (made.EfficientNetV2B0, 64, {}),
    "ResNet50": (made.ResNet50, 224, {}),
    "ResNet50V2": (made.ResNet50V2, 32, {}),
    "VGG16": (made.VGG16, 224, {}),
    "VGG16 at 32 pixels": (made.VGG16, 32, {}),
    "DenseNet121": (made.DenseNet121, 32, {}),
    "Xception": (made.Xception, 71, {}),
    "NASNetMobile": (made.NASNetMobile, 32, {}),
    "InceptionV3": (made.InceptionV3, 75, {}),
}


def check(build: Build, side: int, options: dict[str, Any], path: Path) -> None:
    keras.utils.set_random_seed(0)
    saved = build(input_shape=(side, side, 3), weights=None, classes=5, **options)
    model, info = load_archive(save(saved, path))
    assert info.network.count_params() == saved.count_params()
    images = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
    expected = np.log(saved(images, training=False).numpy())
    logits = model(images).numpy()
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ending"),
    [("MobileNet", ".keras"), ("MobileNetV3Small", ".h5")],
)
def test_a_small_network_of_keras_applications_is_read(
    name: str, ending: str, tmp_path: Path
) -> None:
    check(*SMALL[name], tmp_path / f"x{ending}")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", sorted(LARGE))
def test_a_network_of_keras_applications_is_read(name: str, ending: str, tmp_path: Path) -> None:
    check(*LARGE[name], tmp_path / f"x{ending}")
