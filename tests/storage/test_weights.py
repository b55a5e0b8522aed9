from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from kextract.hdf5.weights import variables_by_path
from kextract.storage import model_sha256, sha256_of_tensors, write_checkpoint
from tests.storage.examples import INFO, small_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
L = keras.layers


def sequential() -> Any:
    return keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dense(3, use_bias=False), L.Dense(2)])


def nested() -> Any:
    x = keras.Input((4,))
    inner = keras.Model(x, L.Dense(3, name="b")(sequential()(x)), name="inner")
    y = keras.Input((4,))
    return keras.Model(y, L.Dense(2, name="a")(L.BatchNormalization()(inner(y))))


def shared() -> Any:
    x = keras.Input((4,))
    twice = L.Dense(4)
    return keras.Model(x, L.Add()([twice(twice(x)), L.Dense(4)(x)]))


def with_sublayers() -> Any:
    x = keras.Input((6, 4))
    y = L.Bidirectional(L.LSTM(2, return_sequences=True))(x)
    y = L.MultiHeadAttention(2, 3)(y, y)
    y = L.TimeDistributed(L.Dense(2))(y)
    return keras.Model(x, L.Dropout(0.5)(y))


class Blocks(keras.layers.Layer):
    """Keeps layers in a list, in a dictionary and under private names."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = [L.Dense(3), L.LayerNormalization(), [L.Dense(3)]]
        self.heads = {"one": L.Dense(2), "two": L.Dense(2)}
        self._last = L.Dense(2)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x: Any) -> Any:
        x = self.stack[2][0](self.stack[1](self.stack[0](x)))
        return self._last(self.heads["one"](x) + self.heads["two"](x)) * self.scale


class Subclassed(keras.Model):
    """A model that is no graph of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks()
        self.end = L.Dense(2)

    def call(self, x: Any) -> Any:
        return self.end(self.blocks(x))


def with_blocks() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, Blocks()(x))


def subclassed() -> Any:
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    return model


def convolutions() -> Any:
    x = keras.Input((8, 8, 2))
    y = L.SeparableConv2D(4, 3)(L.DepthwiseConv2D(3)(x))
    return keras.Model(x, L.Conv2DTranspose(2, 3)(L.PReLU()(y)))


def bfloat16() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(3, dtype="mixed_bfloat16")(x))


def compiled() -> Any:
    model = sequential()
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.zeros((2, 4)), np.zeros((2, 2)))
    return model


MODELS: list[Callable[[], Any]] = [
    small_model,
    sequential,
    nested,
    shared,
    with_sublayers,
    with_blocks,
    subclassed,
    convolutions,
    bfloat16,
]


@pytest.mark.parametrize("build", [*MODELS, compiled])
def test_variables_are_found_where_keras_writes_them(
    build: Callable[[], Any], tmp_path: Path
) -> None:
    model = build()
    random = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.normal(size=variable.shape).astype(variable.dtype))
    model.save_weights(tmp_path / "x.weights.h5")
    written: dict[str, Any] = {}
    with h5py.File(tmp_path / "x.weights.h5") as file:

        def collect(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
                written[name] = item[()]

        file.visititems(collect)
    found: dict[str, Any] = {
        path: variable.value.numpy() for path, variable in variables_by_path(model).items()
    }
    assert sorted(found) == sorted(written)
    for path, value in found.items():
        np.testing.assert_array_equal(value, written[path], err_msg=path)


@pytest.mark.parametrize("build", MODELS)
def test_keras_loads_what_is_written(build: Callable[[], Any], tmp_path: Path) -> None:
    path = tmp_path / "x.weights.h5"
    model, other = build(), build()
    written = write_checkpoint(path, model, INFO)
    for variable in other.weights:
        variable.assign(np.full(variable.shape, 0.5, variable.dtype))
    other.load_weights(path)
    assert model_sha256(other) == written.sha256


def test_the_hash_of_a_model_is_that_of_its_tensors_by_their_path() -> None:
    model = small_model()
    tensors = {
        "layers/conv2d/vars/0": model.get_layer("conv2d").kernel,
        "layers/conv2d/vars/1": model.get_layer("conv2d").bias,
        "layers/batch_normalization/vars/0": model.get_layer("batch_normalization").gamma,
        "layers/batch_normalization/vars/1": model.get_layer("batch_normalization").beta,
        "layers/batch_normalization/vars/2": model.get_layer("batch_normalization").moving_mean,
        "layers/batch_normalization/vars/3": model.get_layer("batch_normalization").moving_variance,
        "layers/dense/vars/0": model.get_layer("dense").kernel,
        "layers/dense/vars/1": model.get_layer("dense").bias,
    }
    expected = sha256_of_tensors({path: v.value.numpy() for path, v in tensors.items()})
    assert model_sha256(model) == expected


def test_a_moved_average_changes_the_hash() -> None:
    model = small_model()
    before = model_sha256(model)
    model.get_layer("batch_normalization").moving_mean.assign([0.0, 0.0])
    assert model_sha256(model) != before
