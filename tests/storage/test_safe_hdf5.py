import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError
from kextract.hdf5 import safe_hdf5
from kextract.hdf5.safe_hdf5 import open_checked

VALUE = np.arange(6, dtype="<f4").reshape(2, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.weights.h5"


def read(path: Path) -> Any:
    with open_checked(path) as file:
        return file.tensor("a/x", "<f4", (2, 3))


def make(path: Path, change: Callable[[Any], object]) -> None:
    with h5py.File(path, "w") as file:
        change(file)


def test_a_plain_tensor_is_read(path: Path) -> None:
    make(path, lambda file: file.create_dataset("a/x", data=VALUE))
    np.testing.assert_array_equal(read(path), VALUE)


def link_twice(file: Any) -> None:
    file["a/x"] = VALUE
    file["a/y"] = file["a/x"]


def circle(file: Any) -> None:
    file["a/x"] = VALUE
    file["a/root"] = file["/"]


def named_type(file: Any) -> None:
    file["a/x"] = VALUE
    file["type"] = np.dtype("<f4")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((2, 3), "<f4")
    layout[...] = h5py.VirtualSource("other.h5", "x", (2, 3))
    file.create_virtual_dataset("a/x", layout)


def deep(file: Any) -> None:
    file["a/x"] = VALUE
    file.create_group("/".join("d" * 40))


def declare(**options: Any) -> Callable[[Any], object]:
    return lambda file: file.create_dataset("a/x", **options)


REFUSED: dict[str, tuple[str, Callable[[Any], object]]] = {
    "soft link": ("'a/x' is a soft", lambda f: f.__setitem__("a/x", h5py.SoftLink("/b"))),
    "external link": (
        "'a/x' is a soft or external",
        lambda f: f.__setitem__("a/x", h5py.ExternalLink("o", "x")),
    ),
    "hard link": ("linked more than once", link_twice),
    "circle": ("'a/root' is linked more than once", circle),
    "named type": ("'type' is neither", named_type),
    "virtual": ("chunked or virtual", virtual),
    "external storage": (
        "in another file",
        declare(shape=(2, 3), dtype="<f4", external=[("/etc/passwd", 0, 24)]),
    ),
    "chunked": ("chunked", declare(data=VALUE, chunks=(1, 3))),
    "compressed": ("chunked", declare(data=VALUE, compression="gzip")),
    "not stored": ("declares 24 bytes and stores 0", declare(shape=(2, 3), dtype="<f4")),
    "huge": ("has shape (1099511627776,)", declare(shape=(1 << 40,), dtype="<f4")),
    "transposed": ("has shape (3, 2), expected (2, 3)", declare(data=VALUE.T)),
    "no shape": ("has shape None", declare(data=h5py.Empty("<f4"))),
    "integers": ("not of type float32", declare(data=VALUE.astype("<i4"))),
    "doubles": ("not of type float32", declare(data=VALUE.astype("<f8"))),
    "big-endian": ("not of type float32", declare(data=VALUE.astype(">f4"))),
    "objects": ("not of type", declare(shape=(2, 3), dtype=h5py.string_dtype())),
    "records": ("not of type", declare(shape=(2, 3), dtype=np.dtype([("a", "<f4")]))),
    "a group": ("'a/x' is missing", lambda f: f.create_group("a/x")),
    "deep": ("more than 32 groups deep", deep),
    "control": (r"name 'a\x1b[2J'", lambda f: f.create_group("a\x1b[2J")),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_no_place_in_a_weights_file_is_refused(path: Path, name: str) -> None:
    message, change = REFUSED[name]
    make(path, change)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        read(path)
    assert str(caught.value).startswith(f"'{path}'")
    assert str(caught.value).isprintable()


def test_a_giant_attribute_is_refused(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["big"] = np.zeros(1 << 18)
        file["a/x"] = VALUE
    with pytest.raises(CheckpointError, match="attribute of over"):
        read(path)


def test_too_many_objects_are_refused_soon(path: Path) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("a")
        for index in range(safe_hdf5.MAX_OBJECTS + 1):
            group[str(index)] = h5py.SoftLink("/x")
    started = time.perf_counter()
    with pytest.raises(CheckpointError, match="more than 20000 objects"):
        read(path)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" + b"x" * 99, b"text"])
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not an HDF5 file|truncated"):
        read(path)


def test_an_empty_a_missing_and_a_folder_are_refused(path: Path, tmp_path: Path) -> None:
    path.touch()
    for place, message in [
        (path, "is empty"),
        (tmp_path / "gone", "no such file"),
        (tmp_path, "not a regular file"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            read(place)


def test_a_truncated_file_is_refused(path: Path) -> None:
    make(path, lambda file: file.create_dataset("a/x", data=VALUE))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        read(path)


def test_a_file_that_is_too_large_is_not_even_opened(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(safe_hdf5.MAX_FILE_BYTES + 1)
    with pytest.raises(CheckpointError, match="at most 4294967296 are read"):
        read(path)


@pytest.mark.parametrize(
    "error", [OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError]
)
def test_whatever_h5py_raises_becomes_one_line(path: Path, error: type[Exception]) -> None:
    make(path, lambda file: file.create_dataset("a/x", data=VALUE))
    with pytest.raises(CheckpointError) as caught, open_checked(path):
        raise error("some\nthing \x1b[2J")
    assert str(caught.value).isprintable()
