import csv
import json
import os
from pathlib import Path

import pytest

from kextract.display import RunHeader
from kextract.display.files import MetricsFile
from kextract.errors import RequestError, StorageError
from kextract.records import EpochRecord

HEADER = RunHeader("student", "seed 0", 3, ("epoch", "loss"), "kextract distill x")
HISTORY = (
    EpochRecord(0, loss=2.5, accuracy=1 / 3),
    EpochRecord(1, 1.5, 0.5, 0.25, 0.75, 0.125, 12.5, {"confidence": 0.9}),
    EpochRecord(
        2, 1.25, 0.625, 0.125, 0.75, 0.125, 12.5, {"class_shares/0": 0.5, "confidence": 0.8}
    ),
)


def write(path: Path, *records: EpochRecord, resume: bool = False) -> None:
    """Listen to a run that is stopped after the records."""
    with MetricsFile(path, resume=resume) as listener:
        listener.start(HEADER)
        for record in records:
            listener.show(record)


def read(path: Path) -> list[dict[str, float | None]]:
    """Read with the standard library what a person would."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [
            {name: float(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


@pytest.fixture(params=["m.csv", "m.jsonl"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    return tmp_path / name


def test_every_epoch_is_a_row_with_its_metrics_and_details(path: Path) -> None:
    write(path, *HISTORY)
    rows = read(path)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert rows[0]["accuracy"] == 1 / 3
    assert rows[0]["train_loss"] is None
    assert (rows[2]["class_shares/0"], rows[2]["confidence"]) == (0.5, 0.8)


def test_a_resumed_run_continues_the_file_without_a_second_row_of_an_epoch(path: Path) -> None:
    write(path, *HISTORY[:2])
    write(path, *HISTORY, resume=True)
    assert [row["epoch"] for row in read(path)] == [0, 1, 2]


def test_a_file_of_another_run_is_not_continued(path: Path) -> None:
    write(path, *HISTORY)
    other = EpochRecord(1, loss=1.0, accuracy=0.5)
    with pytest.raises(RequestError, match="epoch 1 of another run"):
        write(path, HISTORY[0], other, resume=True)
    assert len(read(path)) == 3


def test_an_existing_file_is_kept_unless_told_otherwise(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(RequestError, match=r"exists already; pass --overwrite"):
        MetricsFile(path)
    MetricsFile(path, overwrite=True)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("content", ["a,b\n1,2\n", '{"epoch": "x"}\n', "\x00"])
def test_a_file_of_something_else_is_not_continued(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(RequestError, match="does not hold the metrics of a run"):
        MetricsFile(path, resume=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="--metrics: cannot write to"):
        write(tmp_path / "file" / "m.csv", *HISTORY)


def test_a_write_that_fails_keeps_the_rows_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = MetricsFile(path)
    listener.start(HEADER)
    listener.show(HISTORY[0])

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        listener.show(HISTORY[1])
    assert [row["epoch"] for row in read(path)] == [0]
