import re
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


Change = Callable[[Any, str, Any], object]
"""Puts something into a file in the place of a tensor: the open file, its path, its value."""


def link_twice(file: Any, at: str, value: Any) -> None:
    file[at] = value
    file["twice"] = file[at]


def circle(file: Any, at: str, value: Any) -> None:
    file[at] = value
    file[at].parent["root"] = file["/"]


def named_type(file: Any, at: str, value: Any) -> None:
    file[at] = value
    file["type"] = np.dtype("<f4")


def virtual(file: Any, at: str, value: Any) -> None:
    file.require_group(at.rpartition("/")[0])
    space = h5py.h5s.create_simple(value.shape)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_virtual(space, b"other.h5", b"x", space)
    # `create_virtual_dataset` writes the time into the file.
    creation.set_obj_track_times(False)
    h5py.h5d.create(file.id, at.encode(), h5py.h5t.IEEE_F32LE, space, creation)


def deep(file: Any, at: str, value: Any) -> None:
    file[at] = value
    file.create_group("/".join("d" * 40))


def control(file: Any, at: str, value: Any) -> None:
    file[f"{at}\x1b[2J"] = value


def shared_type(file: Any, at: str, value: Any) -> None:
    file["a_type"] = np.dtype("<f4")
    file.create_dataset(at, data=value, dtype=file["a_type"])


def put(make: Callable[[Any], Any]) -> Change:
    return lambda file, at, value: file.__setitem__(at, make(value))


def declare(**options: Any) -> Change:
    """Make a data set of the value's shape and type, but for what is said, and of no numbers."""

    def change(file: Any, at: str, value: Any) -> None:
        file.create_dataset(at, **{"shape": value.shape, "dtype": "<f4", **options})

    return change


def filtered(**options: Any) -> Change:
    return lambda file, at, value: file.create_dataset(at, data=value, **options)


REFUSED: dict[str, tuple[Change, str]] = {
    "soft link": (put(lambda value: h5py.SoftLink("/b")), "'a/x' is a soft"),
    "external link": (put(lambda value: h5py.ExternalLink("o", "x")), "is a soft or external"),
    "hard link": (link_twice, "linked more than once"),
    "circle": (circle, "'a/root' is linked more than once"),
    "named type": (named_type, "'type' is neither"),
    "shared type": (shared_type, "'a_type' is neither"),
    "virtual": (virtual, "chunked or virtual"),
    "external storage": (declare(external=[("/etc/passwd", 0, 24)]), "in another file"),
    "chunked": (filtered(chunks=True), "chunked"),
    "compressed": (filtered(compression="gzip"), "chunked"),
    "not stored": (declare(), "declares 24 bytes and stores 0"),
    "huge": (declare(shape=(1 << 40,)), "has shape (1099511627776,)"),
    "transposed": (put(lambda value: value.T.copy()), "has shape (3, 2), expected (2, 3)"),
    "no shape": (put(lambda value: h5py.Empty("<f4")), "has shape None"),
    "integers": (put(lambda value: value.astype("<i4")), "not of type float32"),
    "doubles": (put(lambda value: value.astype("<f8")), "not of type float32"),
    "big-endian": (put(lambda value: value.astype(">f4")), "not of type float32"),
    "objects": (declare(dtype=h5py.string_dtype()), "not of type"),
    "records": (declare(dtype=np.dtype([("a", "<f4")])), "not of type"),
    "a group": (lambda file, at, value: file.create_group(at), "'a/x' is missing"),
    "deep": (deep, "more than 32 groups deep"),
    "control": (control, r"name 'x\x1b[2J'"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_no_place_in_a_weights_file_is_refused(path: Path, name: str) -> None:
    change, message = REFUSED[name]
    make(path, lambda file: change(file, "a/x", VALUE))
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
    with pytest.raises(CheckpointError, match="more than 20000 objects"):
        read(path)


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" + b"x" * 99, b"text"])
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not an HDF5 file|truncated"):
        read(path)


def test_a_file_that_is_too_large_is_not_even_opened(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(safe_hdf5.MAX_FILE_BYTES + 1)
    with pytest.raises(CheckpointError, match="at most 4294967296 are read"):
        read(path)


@pytest.mark.parametrize("error", [OSError, KeyError, OverflowError, MemoryError])
def test_whatever_h5py_raises_becomes_one_line(path: Path, error: type[Exception]) -> None:
    make(path, lambda file: file.create_dataset("a/x", data=VALUE))
    with pytest.raises(CheckpointError) as caught, open_checked(path):
        raise error("some\nthing \x1b[2J")
    assert str(caught.value).isprintable()
