import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from numpy.typing import NDArray

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


MODELS: list[Callable[[], Any]] = [
    small_model,
    sequential,
    nested,
    with_sublayers,
    with_blocks,
    subclassed,
    convolutions,
]


@pytest.mark.parametrize("build", MODELS)
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


@pytest.mark.parametrize("build", [small_model, nested])
def test_keras_loads_what_is_written(build: Callable[[], Any], tmp_path: Path) -> None:
    path = tmp_path / "x.weights.h5"
    model, other = build(), build()
    written = write_checkpoint(path, model, INFO)
    for variable in other.weights:
        variable.assign(np.full(variable.shape, 0.5, variable.dtype))
    other.load_weights(path)
    assert model_sha256(other) == written.sha256


def test_the_hash_is_that_of_the_documented_bytes() -> None:
    tensors = {
        "b": np.array([1.0], np.float32),
        "a/0": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32),
    }
    ones = bytes.fromhex("0000803f")
    data = b"a/0\0float32\0002,2\0" + ones + bytes.fromhex("000000400000404000008040")
    data += b"b\0float32\0001\0" + ones
    assert sha256_of_tensors(tensors) == hashlib.sha256(data).hexdigest()


def test_order_byte_order_and_memory_layout_do_not_matter() -> None:
    one, two = np.arange(6, dtype="<f4").reshape(2, 3), np.ones(2, "<f4")
    other = np.asfortranarray(one.astype(">f4"))
    assert sha256_of_tensors({"x": one, "y": two}) == sha256_of_tensors({"y": two, "x": other})


def test_names_shapes_dtypes_and_values_matter() -> None:
    value = np.zeros(4, np.float32)
    nearly = value.copy()
    nearly[3] = np.float32(1e-45)
    variants: list[dict[str, NDArray[Any]]] = [
        {"x": value},
        {"y": value},
        {"x": value.reshape(2, 2)},
        {"x": value.view(np.int32)},
        {"x": nearly},
        {"x": -value},
        {"x": value, "y": value},
    ]
    assert len({sha256_of_tensors(variant) for variant in variants}) == len(variants)
