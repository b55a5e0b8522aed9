"""Ways to make a checkpoint of ours say what it may not say."""

import io
import json
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np

from tests.storage.mutations import Mutation

_ODD: tuple[Any, ...] = (
    np.int64(-1),
    np.float64("nan"),
    np.uint64(2**64 - 1),
    "text",
    np.bytes_(b"\xff\xfe"),
    np.bytes_(b"\x1b[2J"),
    np.zeros((3, 3)),
    np.array(["a", "b"], dtype=object),
    h5py.Empty("f"),
)
_JSON = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"a":NaN}',
    b"[" * 100_000,
    b"1" * 5000,
    b'"\xff"',
    b'{"a":"\\u001b[2J"}',
    json.dumps({"a": 1e999}).encode(),
)


def _of_metadata(change: Callable[[h5py.File, Random], None]) -> Mutation:
    def mutate(data: bytes, random: Random) -> bytes:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            change(file, random)
        return buffer.getvalue()

    mutate.__name__ = change.__name__
    return mutate


def confuse_attribute(file: h5py.File, random: Random) -> None:
    value = random.choice(_ODD)
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.astype(h5py.string_dtype())
    file.attrs[random.choice(sorted(file.attrs))] = value


def drop_attribute(file: h5py.File, random: Random) -> None:
    # A student's teacher may be missing, but then the hash over the facts is another one.
    del file.attrs[random.choice(sorted(file.attrs))]


def wrong_hash(file: h5py.File, random: Random) -> None:
    name = random.choice(("sha256", "metadata_sha256"))
    digits = f"{random.getrandbits(256):064x}".encode()
    file.attrs[name] = np.array(digits, h5py.string_dtype("utf-8", 64))


def newer_schema(file: h5py.File, random: Random) -> None:
    file.attrs["kextract_schema"] = np.int64(random.choice((0, -5, 2, 99, 2**62)))


def giant_attribute(file: h5py.File, random: Random) -> None:
    file.attrs["padding"] = "x" * (2 << 20) if random.random() < 0.5 else h5py.Empty("S3000000")


def many_attributes(file: h5py.File, random: Random) -> None:
    for index in range(1100):
        file.attrs[f"a{index}"] = np.int8(0)


def confuse_document(file: h5py.File, random: Random) -> None:
    path = f"kextract/{random.choice(('config', 'class_names', 'test', 'history/detail_names'))}"
    data = random.choice(_JSON)
    del file[path]
    file[path] = np.array(data, h5py.string_dtype("utf-8", max(len(data), 1)))


def confuse_history(file: h5py.File, random: Random) -> None:
    name = random.choice(sorted(set(file["kextract/history"]) - {"detail_names"}))
    odd = (np.array([-1.0, -2.0]), np.array([1, 1]), np.zeros(3), np.array([np.nan, np.inf]))
    del file["kextract/history"][name]
    file["kextract/history"][name] = random.choice((*odd, np.float64(1), np.zeros((2, 9))))


def drop_document(file: h5py.File, random: Random) -> None:
    del file[random.choice(("kextract", "kextract/config", "kextract/history", "kextract/test"))]


METADATA: tuple[Mutation, ...] = tuple(
    _of_metadata(change)
    for change in (
        confuse_attribute,
        drop_attribute,
        wrong_hash,
        newer_schema,
        giant_attribute,
        many_attributes,
        confuse_document,
        confuse_history,
        drop_document,
    )
)
