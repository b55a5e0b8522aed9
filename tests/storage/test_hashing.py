import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.storage import sha256_of_tensors


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


def test_a_number_may_be_a_tensor() -> None:
    scalar = {"x": np.array(1.0, np.float32)}
    assert sha256_of_tensors(scalar) != sha256_of_tensors({"x": np.ones(1, np.float32)})
