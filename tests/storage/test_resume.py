from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError, NonFiniteError
from kextract.records import Snapshot
from kextract.storage.resume import Request, read_resume, resume_path, write_resume
from tests.storage.examples import HISTORY

REQUEST: Request = {
    "--learning-rate": 1e-3,
    "--augment": True,
    "--limit": None,
    "--schedule": "cosine",
}
TENSORS: dict[str, Any] = {
    "model/0": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "model/1": np.array([3, 5], np.uint32),
    "optimizer/0": np.array(12, np.int64),
    "source/bank": np.zeros((2, 4, 4, 1), np.float32),
}
SNAPSHOT = Snapshot(HISTORY, TENSORS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of an unfinished run."""
    path = resume_path(tmp_path / "model.weights.h5")
    write_resume(path, SNAPSHOT, REQUEST)
    return path


def test_all_of_it_comes_back_to_the_bit(path: Path) -> None:
    kept = read_resume(path)
    assert kept.request == REQUEST
    assert kept.snapshot.history == HISTORY
    assert list(kept.snapshot.tensors) == list(TENSORS)
    for name, value in TENSORS.items():
        found = kept.snapshot.tensors[name]
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        assert found.tobytes() == value.tobytes()


def test_long_histories_are_kept(tmp_path: Path) -> None:
    """HDF5 allows a text of 64 KiB in an attribute, and our reader one of a mebibyte."""
    details = {f"class_shares/{n}": 0.123456789 for n in range(100)}
    history = tuple(replace(HISTORY[1], epoch=n, details=details) for n in range(400))
    write_resume(tmp_path / "long.resume.h5", Snapshot(history, TENSORS), REQUEST)
    assert read_resume(tmp_path / "long.resume.h5").snapshot.history == history


def test_no_flipped_bit_of_what_is_kept_goes_unnoticed(path: Path) -> None:
    """HDF5's own padding is all that may change without a word; what comes back may not."""
    whole = path.read_bytes()
    random, refused = np.random.default_rng(0), 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            kept = read_resume(path)
        except CheckpointError as error:
            assert len(str(error).splitlines()) == 1
            refused += 1
        else:
            assert (kept.request, kept.snapshot.history) == (REQUEST, HISTORY)
            for name, value in TENSORS.items():
                assert kept.snapshot.tensors[name].tobytes() == value.tobytes()
    assert refused > 5


def test_a_checkpoint_is_no_unfinished_run(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["kextract_resume"]
    with pytest.raises(CheckpointError, match="keeps no unfinished run"):
        read_resume(path)


def rewritten(path: Path, document: bytes) -> None:
    with h5py.File(path, "r+") as file:
        del file["document"]
        file["document"] = np.frombuffer(document, np.uint8)


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b'{"request": {}, "history": []}',
        b'{"request": {}, "history": [], "tensors": {"model/0": ["<f4", [1000000000000]]}}',
        b'{"request": {}, "history": [], "tensors": {"model/0": ["|O", [2, 3]]}}',
        b'{"request": {}, "history": [], "tensors": {"model/0": ["<f4", [-2, 3]]}}',
        b'{"request": {}, "history": [], "tensors": {"../x": ["<f4", [2, 3]]}}',
        b"[" * 100_000,
    ],
)
def test_a_senseless_document_is_refused(path: Path, document: bytes) -> None:
    rewritten(path, document)
    with pytest.raises(CheckpointError, match=r"\.model\.resume\.h5"):
        read_resume(path)


@pytest.mark.parametrize(
    "row",
    [{"epoch": 7}, {"seconds": None}, {"accuracy": "high"}, {"details": [1]}],
)
def test_a_senseless_history_is_refused_though_its_hash_is_right(
    path: Path, row: dict[str, Any]
) -> None:
    odd = replace(HISTORY[1], **row)
    write_resume(path, Snapshot((HISTORY[0], odd), TENSORS), REQUEST)
    with pytest.raises(CheckpointError, match="history"):
        read_resume(path)


def test_weights_that_are_no_numbers_are_not_kept_and_spare_what_was(path: Path) -> None:
    broken = {**TENSORS, "model/0": np.array([1, np.nan], np.float32)}
    with pytest.raises(NonFiniteError, match=r"after epoch 1: try a smaller --learning-rate"):
        write_resume(path, Snapshot(HISTORY, broken), REQUEST)
    assert read_resume(path).snapshot.history == HISTORY
