from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract import __version__
from kextract.errors import CheckpointError
from kextract.storage import read_info, write_checkpoint
from kextract.storage.info import prepare, write_metadata
from tests.storage.examples import HISTORY, INFO, info, small_model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.weights.h5"
    write_checkpoint(path, small_model(), INFO)
    return path


def refuses(path: Path, message: str, change: Callable[[Any], object]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_info(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def put(file: Any, name: str, value: Any) -> None:
    del file[name]
    file[name] = value


def test_every_fact_is_where_the_documentation_says(path: Path) -> None:
    with h5py.File(path) as file:
        assert file.attrs["kextract_schema"] == 1
        assert file.attrs["kextract_version"] == __version__.encode()
        assert file.attrs["model"] == b"resnet11"
        assert file.attrs["input_shape"].tolist() == [8, 8, 1]
        assert file.attrs["flip"] == 0
        assert file["kextract/history/epoch"][()].tolist() == [0, 1]
        assert file["kextract/history/loss"][()].tolist() == [2.5, 1.25]
        np.testing.assert_array_equal(file["kextract/history/kl"][()], [np.nan, 0.125])
        assert file["kextract/history/detail_names"][()] == b'["confidence","iterations"]'
        assert file["kextract/history/details"].shape == (2, 2)
        assert file["kextract/test"][()] == b'{"accuracy":0.875,"loss":0.5}'


def test_a_newer_format_says_who_wrote_it_and_what_to_do(path: Path) -> None:
    def change(file: Any) -> None:
        file.attrs["kextract_schema"] = np.int64(2)
        file.attrs["kextract_version"] = np.bytes_(b"9.1.0")

    refuses(path, r"written by kextract 9\.1\.0 in format 2.*update kextract", change)


def test_a_missing_mark_is_not_taken_for_a_file_of_others(path: Path) -> None:
    refuses(path, "'kextract_schema' is missing", lambda file: file.attrs.pop("kextract_schema"))


@pytest.mark.parametrize("name", ["model", "seed", "teacher"])
def test_a_fact_changed_by_hand_does_not_match_the_hash(path: Path, name: str) -> None:
    value = np.int64(8) if name == "seed" else np.bytes_(b"other")
    refuses(path, "metadata_sha256", lambda file: file.attrs.__setitem__(name, value))


@pytest.mark.parametrize(
    "data", [b"{", b"", b'{"a":NaN}', b"[" * 100_000, b"9" * 5000, b"\xff"], ids=range(6)
)
def test_a_configuration_that_is_no_json_is_refused(path: Path, data: bytes) -> None:
    refuses(path, "kextract/config", lambda file: put(file, "kextract/config", np.bytes_(data)))


FILLED = {"created": "2026-01-02T03:04:05+00:00", "sha256": "0" * 64, "kextract_version": "0.1"}


def row(**changes: Any) -> dict[str, Any]:
    return {"history": (replace(HISTORY[1], **changes),)}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("kind", {"kind": "pupil"}),
        ("pooling", {"pooling": "max"}),
        ("precision", {"precision": "int8"}),
        ("model", {"model": ""}),
        ("input_shape", {"input_shape": (8, 0, 1)}),
        ("classes", {"classes": 0}),
        ("class_names", {"class_names": ("one",)}),
        ("class_names", {"class_names": (1, 2, 3)}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**63}),
        ("sha256", {"sha256": "abc"}),
        ("teacher_sha256", {"teacher_sha256": "A" * 64}),
        ("created", {"created": "2026-01-02T03:04:05"}),
        ("created", {"created": "2026-01-02T03:04:05+02:00"}),
        ("test", {"test": {"loss": "low"}}),
        ("history/loss", row(loss=-0.5)),
        ("history/accuracy", row(accuracy=1.5)),
        ("history/kl", row(kl=-0.5)),
        ("history/seconds", row(seconds=-1.0)),
        ("history/epoch", row(epoch=-1)),
        ("history/epoch", {"history": (HISTORY[1], HISTORY[1])}),
    ],
)
def test_a_wrong_field_is_named(field: str, changes: dict[str, Any]) -> None:
    place = field.replace("history/", r"history/(\d/)?")
    with pytest.raises(ValueError, match=f"'{place}['/]"):
        prepare(info(**(FILLED | changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": []}, "'config'"),
        ({"class_names": ("a", "b", 1)}, "class_names"),
        ({"class_names": ("a", "b", "c\x1b[2J")}, "control characters"),
        ({"test": {"loss": True}}, "'test/loss'"),
        (row(loss=-1.0), "history/loss"),
    ],
)
def test_facts_are_checked_though_their_hash_is_right(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros(3, "<f4")
        write_metadata(file, info(**{**FILLED, "schema": 1, **changes}))
    refuses(tmp_path / "x.weights.h5", message, lambda file: None)
