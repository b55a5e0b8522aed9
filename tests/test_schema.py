import json
from pathlib import Path

import pytest

from kextract.display.metrics_file import MetricsFile
from kextract.records import EpochRecord
from tests.schema import SCHEMAS, check

CLASS = {"class": "a", "images": 0, "accuracy": None}
EVALUATION = {
    "checkpoint": "a",
    "dataset": "strokes",
    "split": "test",
    "images": 4,
    "loss": 0.5,
    "accuracy": 0.75,
    "cross_entropy": 0.25,
    "per_class": [CLASS],
    "agreement": None,
    "kl": None,
    "agreement_unsure": None,
    "agreement_sure": None,
    "mistakes": None,
    "against": None,
}


def test_a_document_that_fits_passes() -> None:
    check(EVALUATION, "evaluation")


@pytest.mark.parametrize(
    "change",
    [
        {"accuracy": "0.75"},
        {"accuracy": 1.5},
        {"accuracy": True},
        {"images": 0.5},
        {"split": "all"},
        {"unknown": 1},
        {"per_class": [{**CLASS, "images": -1}]},
        {"per_class": [{"class": "a"}]},
    ],
)
def test_a_document_that_does_not_fit_is_found(change: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check({**EVALUATION, **change}, "evaluation")


@pytest.mark.parametrize("line", [{"event": "begin"}, {"event": "epoch", "epoch": 1}])
def test_a_line_that_is_none_of_the_events_is_found(line: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check(line, "run")


def test_every_schema_says_what_it_is_of_and_is_in_the_docs() -> None:
    page = (SCHEMAS.parent / "json.md").read_text()
    for path in SCHEMAS.glob("*.json"):
        assert json.loads(path.read_text())["title"]
        assert f"(schemas/{path.name})" in page


def test_lines_of_a_metrics_file_fit_their_schema(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    listener = MetricsFile(path)
    listener.epoch(EpochRecord(0))
    listener.epoch(EpochRecord(1, 1.5, 0.5, 0.25, 0.75, 0.125, 12.5, {"class_shares/0": 0.9}))
    for line in path.read_text().splitlines():
        check(json.loads(line), "metrics")
