import os
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from kextract.errors import CheckpointError
from kextract.storage import load_weights, model_sha256, read_info
from tests.storage.examples import small_model

DATA = os.environ.get("KEXTRACT_DATA")
TEACHER = Path(DATA or "") / "vinell-2020-teacher.h5"
needs_teacher = pytest.mark.skipif(
    not DATA or not TEACHER.is_file(),
    reason="KEXTRACT_DATA names no folder with vinell-2020-teacher.h5",
)


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


def article_teacher() -> Any:
    """The article's ResNet-v2 of depth 11 in plain Keras, layers named by order of creation."""
    counts: dict[str, int] = {}

    def name(kind: str) -> str:
        counts[kind] = counts.get(kind, -1) + 1
        return f"{kind}_{counts[kind]}" if counts[kind] else kind

    def convolve(x: Any, filters: int, size: int, stride: int = 1) -> Any:
        return keras.layers.Conv2D(filters, size, stride, "same", name=name("conv2d"))(x)

    def activate(x: Any) -> Any:
        x = keras.layers.BatchNormalization(name=name("batch_normalization"))(x)
        return keras.layers.ReLU()(x)

    image = keras.Input((32, 32, 3))
    x = activate(convolve(image, 16, 3))
    for stage, (width, out) in enumerate(((16, 64), (64, 128), (128, 256))):
        stride = 2 if stage else 1
        y = convolve(activate(x) if stage else x, width, 1, stride)
        y = convolve(activate(y), width, 3)
        y = convolve(activate(y), out, 1)
        x = keras.layers.Add()([convolve(x, out, 1, stride), y])
    x = keras.layers.GlobalAveragePooling2D()(activate(x))
    return keras.Model(image, keras.layers.Dense(10, name="dense")(x))


@needs_teacher
def test_the_articles_teacher_scores_as_published() -> None:
    model = article_teacher()
    load_weights(TEACHER, model)
    with h5py.File(TEACHER) as file:
        for layer in ("conv2d_3", "conv2d_4"):
            stored = file[f"model/{layer}/kernel:0"][()]
            np.testing.assert_array_equal(model.get_layer(layer).kernel.value.numpy(), stored)
    with np.load(TEACHER.with_name("cifar10-test-1017.npz")) as data:
        images, labels = data["x_test"], data["y_test"].reshape(-1)
    logits = model((images.astype("float32") - 127.5) / 127.5, training=False).numpy()
    assert np.mean(logits.argmax(1) == labels) == pytest.approx(0.7306, abs=5e-5)
    shifted = logits - logits.max(1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    entropy = np.mean(np.log(np.exp(shifted).sum(1)) - chosen)
    # The published loss is Keras's: with the L2 penalty of 1e-4 on the convolutions' kernels.
    kernels = [v.value.numpy() for v in model.variables if v.path.startswith("conv2d")]
    penalty = 1e-4 * sum(np.square(k.astype("float64")).sum() for k in kernels if k.ndim == 4)
    assert entropy + penalty == pytest.approx(0.9737, abs=5e-5)
