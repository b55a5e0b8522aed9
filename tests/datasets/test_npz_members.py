"""Files made to do harm, or harmed."""

import io
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError
from tests.datasets.images import random_images, random_labels
from tests.fuzzing.damage import packed


def npy(array: NDArray[Any], pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def npy_header(shape: str, dtype: str = "'|u1'") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


GOOD = {
    "x_test.npy": npy(random_images(8, 16, 16)),
    "y_test.npy": npy(random_labels(8, 2)),
}


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> str:
    path.write_bytes(packed(members, method))
    return str(path)


def refusal_of(path: str) -> str:
    with pytest.raises(DatasetError) as refusal:
        load_dataset(path)
    message = str(refusal.value)
    assert message.startswith(path) and "\n" not in message and len(message) < 600
    return message


def test_a_pickled_array_is_refused_and_nothing_in_it_runs(tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (touched,)

    members = GOOD | {"x_test.npy": npy(np.array([Harm()] * 8, dtype=object), pickled=True)}
    message = refusal_of(archive(tmp_path / "a.npz", members))
    assert "found an array of object" in message
    assert not touched.exists()


def test_a_header_that_promises_more_than_the_member_holds_is_refused_unread(
    tmp_path: Path,
) -> None:
    members = GOOD | {"x_test.npy": npy_header("(8, 900000, 900000)")}
    path = archive(tmp_path / "a.npz", members)
    tracemalloc.start()
    message = refusal_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "expected 6480000000128 bytes" in message
    assert peak < 5_000_000


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused_unread(tmp_path: Path) -> None:
    """Of each array the zip's directory says that it has three billion bytes."""
    header = npy_header("(3, 1000, 1000, 1000)")
    path = archive(tmp_path / "a.npz", {"x_test.npy": header, "x_train.npy": header})
    data, entry = bytearray(Path(path).read_bytes()), -1
    for _ in range(2):
        entry = data.index(b"PK\x01\x02", entry + 1)
        struct.pack_into("<I", data, entry + 24, len(header) + 3 * 10**9)
    Path(path).write_bytes(data)
    assert "at most 4 GiB in all, found 5.6 GiB declared" in refusal_of(path)


MEMBERS: dict[str, bytes] = {
    "a size below zero": npy_header("(-8, 16, 16)"),
    "a truth as size": npy_header("(True, 16, 16)"),
    "a size with a point": npy_header("(8.0, 16, 16)"),
    "half a shape": npy_header("(8, 16, 16", "'|u1'"),
    "nested shapes": npy_header("(" * 90 + ")" * 90),
    "a size beyond 64 bits": npy_header("(9999999999999999999999,)", "'<f4'"),
    "records": npy_header("(8, 16, 16)", "[('a', '|u1')]"),
    "raw bytes": npy_header("(8, 16, 16)", "'|V1'"),
    "no bytes": npy_header("(8, 16, 16)", "'|V0'"),
    "no type": npy_header("(8, 16, 16)", "'nonsense'"),
    "code": npy_header("(8, 16, 16)", "__import__('os')"),
    "a version to come": b"\x93NUMPY\x09\x00" + bytes(20),
    "text": b"not an array",
    "nothing": b"",
    "more than declared": GOOD["x_test.npy"] + bytes(1 << 20),
    "a pickle": pickle.dumps([print, "harm"] * 3),
    "objects": npy(np.array([print] * 8, dtype=object), pickled=True),
}
"""What an array may be replaced by."""


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_what_is_not_an_array_of_numbers_is_refused(tmp_path: Path, name: str) -> None:
    more = b"" if name == "more than declared" else bytes(2048)
    refusal_of(archive(tmp_path / "a.npz", GOOD | {"x_test.npy": MEMBERS[name] + more}))


def test_names_of_characters_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    names = npy_header("(2,)", "'<U2'") + b"\xff" * 16
    message = refusal_of(archive(tmp_path / "a.npz", GOOD | {"class_names.npy": names}))
    assert "found codes of no character" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_numpy_never_writes_is_refused(tmp_path: Path, method: int) -> None:
    assert "compressed by method" in refusal_of(archive(tmp_path / "a.npz", GOOD, method))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mnist.npz")
    with pytest.raises(DatasetError, match="not a regular file"):
        load_dataset("mnist", tmp_path)


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    archive(path, GOOD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("x_test.npy", GOOD["x_test.npy"])
    assert "x_test once, found it twice" in refusal_of(str(path))


@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.npz"
    archive(path, GOOD)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "damage" in refusal_of(str(path))


def test_a_member_that_is_encrypted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    archive(path, GOOD)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert "encrypted" in refusal_of(str(path))
