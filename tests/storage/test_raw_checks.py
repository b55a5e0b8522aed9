import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError, Refused
from kextract.hdf5.raw_checks import MAX_STEPS, check_raw
from kextract.storage import read_info


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.zeros(3, "<f4")
    return path


def first_free_block(data: bytes | bytearray) -> tuple[int, int]:
    """Give a heap's first free block: its place in the file and its offset in the heap."""
    heap = data.index(b"HEAP")
    _, head, start = struct.unpack_from("<QQQ", data, heap + 8)
    return start + head, head


def look_through(path: Path) -> None:
    with path.open("rb") as file:
        check_raw(file)


def test_a_free_list_that_runs_in_a_circle_is_refused_and_not_followed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place, offset = first_free_block(data)
    assert struct.unpack_from("<Q", data, place) == (1,)
    struct.pack_into("<Q", data, place, offset)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="free list runs in a circle"):
        read_info(path)


def test_numbers_that_spell_the_name_of_a_heap_do_no_harm(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["layers/dense/vars/1"] = np.frombuffer(b"HEAP" * 1000, "<f4")
    look_through(path)


def test_a_file_full_of_heaps_is_refused_soon(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"HEAP" * (MAX_STEPS + 10))
    with pytest.raises(Refused, match="more than 200000 heaps"):
        look_through(path)


@pytest.mark.parametrize(("place", "value"), [(13, 4), (14, 4), (24, 8), (31, 1)])
def test_addresses_of_another_size_or_base_are_refused(path: Path, place: int, value: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] = value
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="unusual size or base"):
        read_info(path)


def test_files_of_every_superblock_in_use_pass(tmp_path: Path) -> None:
    for version in ("earliest", "v108", "v110", "latest"):
        path = tmp_path / f"{version}.h5"
        with h5py.File(path, "w", libver=version) as file:
            file["x"] = np.zeros(3, "<f4")
        look_through(path)


def with_text(path: Path) -> bytes:
    with h5py.File(path, "w") as file:
        file.attrs["text"] = "a text of variable length"
    return path.read_bytes()


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (8, (1 << 40).to_bytes(8, "little"), "has a heap of texts at byte"),
        (24, (1 << 40).to_bytes(8, "little"), "whose pieces do not fit into it"),
        (16, bytes(16), "whose pieces do not fit into it"),
    ],
)
def test_a_heap_of_texts_that_leads_elsewhere_is_refused(
    place: int, value: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.h5"
    data = bytearray(with_text(path))
    look_through(path)
    at = data.find(b"GCOL") + place
    data[at : at + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(Refused, match=says):
        look_through(path)
