import pytest

from kextract.display.columns import COLUMNS
from kextract.display.numbers import decimals, duration, time_left
from kextract.display.rows import fitting
from kextract.display.text import one_line
from kextract.records import EpochRecord


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (12.94, "12.9s"),
        (999.94, "999.9s"),
        (999.96, "16m40s"),
        (3599.4, "59m59s"),
        (3599.7, "1h00m"),
        (90_000, "25h00m"),
        (float("nan"), "-"),
    ],
)
def test_a_duration_takes_six_characters_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (192, "3m12s"), (3720, "1h02m")]
)
def test_a_time_left_has_no_tenths(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1178, "0.1178"), (1234.5678, "1234.568"), (123456789.0, "1.2e+08"), (-0.5, "-0.5000")],
)
def test_a_figure_too_large_for_its_column_loses_decimals(value: float, text: str) -> None:
    assert decimals(value, digits=4, width=8) == text


def test_no_column_is_narrower_than_its_header() -> None:
    assert [c.name for c in COLUMNS.values() if len(c.header) > c.width] == []


def test_every_column_takes_its_own_figure() -> None:
    details = {
        "confidence": 0.6,
        "iterations": 36.25,
        "requested": 0.65,
        "answers/0": 0.25,
        "answers/1": 0.75,
        "entropy": 0.55,
        "diversity": 0.35,
        "batch_norm_distance": 12.345,
        "transfer_agreement": 0.7,
        "synthesis_seconds": 7.0,
        "student_seconds": 8.0,
        "evaluation_seconds": 9.0,
    }
    record = EpochRecord(1, 0.1, 0.2, 0.3, 0.4, 0.5, 10.0, details)
    assert {name: column.text(record) for name, column in COLUMNS.items()} == {
        "epoch": "1",
        "loss": "0.1000",
        "accuracy": "0.2000",
        "train_loss": "0.3000",
        "agreement": "0.4000",
        "kl": "0.5000",
        "transfer_agreement": "0.7000",
        "confidence": "0.6000",
        "iterations": "36.2",
        "requested": "0.6500",
        "answers": "▂▆",
        "entropy": "0.5500",
        "diversity": "0.3500",
        "batch_norm_distance": "12.35",
        "synthesis_seconds": "7.0s",
        "student_seconds": "8.0s",
        "evaluation_seconds": "9.0s",
        "seconds": "10.0s",
    }


def test_a_missing_detail_is_a_dash() -> None:
    assert COLUMNS["iterations"].text(EpochRecord(1)) == "-"


def test_a_column_too_wide_is_passed_over_for_a_later_one() -> None:
    assert fitting(("epoch", "train_loss", "seconds"), 5 + 2 + 6 + 3) == ("epoch", "seconds")


def test_control_characters_are_shown_not_obeyed() -> None:
    assert one_line("a\x1b[2J\nb\x9b é") == r"a\x1b[2J\nb\x9b é"
