from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract import __version__
from kextract.errors import CheckpointError
from kextract.records import EpochRecord
from kextract.storage import info as stored
from kextract.storage import read_info, write_checkpoint
from tests.storage.examples import INFO, info, small_model


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


def test_an_epoch_without_labelled_images_has_no_figures(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    history = (EpochRecord(epoch=0), EpochRecord(epoch=1, loss=0.5, accuracy=1.0, seconds=2.0))
    write_checkpoint(path, small_model(), info(history=history))
    read = read_info(path)
    assert read is not None
    assert read.history == history


def test_a_newer_format_says_who_wrote_it_and_what_to_do(path: Path) -> None:
    def change(file: Any) -> None:
        file.attrs["kextract_schema"] = np.int64(2)
        file.attrs["kextract_version"] = np.bytes_(b"9.1.0")

    refuses(path, r"written by kextract 9\.1\.0 in format 2.*update kextract", change)


def test_an_older_format_is_still_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SCHEMA", 2)
    read = read_info(path)
    assert read is not None
    assert read.schema == 1


def test_a_missing_mark_is_not_taken_for_a_file_of_others(path: Path) -> None:
    refuses(path, "'kextract_schema' is missing", lambda file: file.attrs.pop("kextract_schema"))


def test_a_missing_hash_is_refused(path: Path) -> None:
    refuses(path, "'sha256' is missing", lambda file: file.attrs.pop("sha256"))


@pytest.mark.parametrize("name", ["model", "seed", "teacher"])
def test_a_fact_changed_by_hand_does_not_match_the_hash(path: Path, name: str) -> None:
    value = np.int64(8) if name == "seed" else np.bytes_(b"other")
    refuses(path, "metadata_sha256", lambda file: file.attrs.__setitem__(name, value))


@pytest.mark.parametrize(
    "data", [b"{", b"", b'{"a":NaN}', b"[" * 100_000, b"9" * 5000, b"\xff"], ids=range(6)
)
def test_a_configuration_that_is_no_json_is_refused(path: Path, data: bytes) -> None:
    refuses(path, "kextract/config", lambda file: put(file, "kextract/config", np.bytes_(data)))


def test_text_of_variable_length_is_refused(path: Path) -> None:
    refuses(path, "not a fixed-length string", lambda file: file.attrs.__setitem__("model", "x"))


def test_an_unknown_attribute_does_no_harm(path: Path) -> None:
    before = read_info(path)
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
    assert read_info(path) == before


def rehash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any facts match their hash, as an attacker would."""
    monkeypatch.setattr(stored, "_digest", lambda _: "same")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("config", b"[]", "not a JSON object"),
        ("class_names", b'["a","b",1]', "class_names"),
        ("class_names", b'["a","b","c\\u001b[2J"]', "control characters"),
        ("test", b'{"loss":"low"}', "'test/loss'"),
        ("test", b'{"loss":true}', "'test/loss'"),
        ("history/loss", np.array([1.0, -1.0]), "history/loss"),
        ("history/accuracy", np.array([1.0, 2.0]), "history/accuracy"),
        ("history/epoch", np.array([1, 1]), "history/epoch"),
        ("history/loss", np.zeros(3), "shape"),
        ("history/loss", np.zeros(2, "float32"), "not of type float64"),
        ("history/details", np.zeros((2, 3)), "shape"),
    ],
)
def test_facts_are_checked_though_their_hash_is_right(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, message: str
) -> None:
    rehash(monkeypatch)

    def change(file: Any) -> None:
        put(file, f"kextract/{name}", np.bytes_(value) if isinstance(value, bytes) else value)
        file.attrs["metadata_sha256"] = np.bytes_(b"same")

    refuses(path, message, change)
