"""What a file is, and what to do with one that is no network with gradients."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError
from kextract.storage import write_checkpoint
from kextract.storage.opening import Kind, examine, identify
from tests.storage.examples import INFO, small_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of every kind, of which some are no more than their first bytes."""
    write_checkpoint(tmp_path / "ours.weights.h5", small_model(), INFO)
    with h5py.File(tmp_path / "plain.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((2, 3), "f4")
    with h5py.File(tmp_path / "whole.hdf5", "w") as file:
        file.attrs["model_config"] = "{}"
        file["model_weights/x"] = np.zeros(1, "f4")
    (tmp_path / "whole.keras").write_bytes(b"PK\x03\x04")
    (tmp_path / "renamed").write_bytes(b"PK\x03\x04")
    (tmp_path / "model.bin").write_bytes(b"\x1c\0\0\0TFL3" + bytes(20))
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07\x12\x04")
    (tmp_path / "model.pth").write_bytes(b"PK\x03\x04")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"x")
    (tmp_path / "text.h5").write_text("hello")
    os.mkfifo(tmp_path / "pipe.h5")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ours.weights.h5", Kind.CHECKPOINT),
        ("plain.weights.h5", Kind.WEIGHTS),
        ("whole.hdf5", Kind.MODEL),
        ("whole.keras", Kind.MODEL),
        ("renamed", Kind.MODEL),
        ("model.bin", Kind.TFLITE),
        ("model.onnx", Kind.ONNX),
        ("model.pth", Kind.PYTORCH),
        ("saved", Kind.SAVED_MODEL),
        ("saved/saved_model.pb", Kind.SAVED_MODEL),
        ("nowhere.keras", Kind.MISSING),
        ("text.h5", Kind.UNKNOWN),
        ("pipe.h5", Kind.UNKNOWN),
        (".", Kind.UNKNOWN),
    ],
)
def test_a_file_is_known_by_its_content_or_its_name(name: str, kind: Kind, folder: Path) -> None:
    assert examine(folder / name).kind is kind


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere.keras", "no such file"),
        ("model.pth", "torch.onnx.export(model.eval(), "),
        ("text.h5", "is not an HDF5 file, nor any other model"),
        ("pipe.h5", "is not a regular file"),
        (".", "is not a regular file"),
    ],
)
def test_what_cannot_be_opened_is_said_with_what_to_do(name: str, says: str, folder: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        identify(folder / name)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"'{folder / name}'")
