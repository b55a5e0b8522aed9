import io

import pytest

from kextract.columns import BARS, COLUMNS, bars, in_ascii
from kextract.display import RunHeader, make_display
from kextract.records import EpochRecord


@pytest.mark.parametrize("classes", [2, 3, 7, 10, 11, 43, 100, 1000])
def test_even_shares_are_half_high(classes: int) -> None:
    assert bars([1 / classes] * classes) == "▄" * min(classes, 10)


@pytest.mark.parametrize(
    ("share", "bar"),
    [
        (0.0, "▁"),
        (0.5, "▂"),
        (1.75, "▇"),
        (2.0, "█"),
        (9, "█"),
    ],
)
def test_a_bar_is_as_high_as_its_share_is_large_beside_an_even_one(share: float, bar: str) -> None:
    others = [(1 - share / 10) / 9] * 9
    assert bars([share / 10, *others])[0] == bar


def test_more_classes_are_sorted_and_summed_up() -> None:
    """Of 20 classes ten get a twentieth less a fortieth each, ten as much more."""
    assert bars([0.025, 0.075] * 10) == "▆▆▆▆▆▂▂▂▂▂"


def test_one_answer_for_everything_stands_out() -> None:
    assert bars([0.0] * 57 + [1.0] + [0.0] * 42) == "█▁▁▁▁▁▁▁▁▁"


def test_every_bar_has_a_character_of_its_own_in_ascii() -> None:
    written = in_ascii(f"0.5 {BARS}")
    assert written.isascii()
    assert len(set(written[4:])) == len(BARS)
    assert written[:4] == "0.5 "


def record(*shares: float) -> EpochRecord:
    return EpochRecord(1, details={f"class_shares/{n}": share for n, share in enumerate(shares)})


def test_the_column_of_answers_takes_them_in_the_order_of_the_classes() -> None:
    details = {f"class_shares/{n}": n / 66 for n in reversed(range(12))}
    assert COLUMNS["class_shares"].value(EpochRecord(1, details=details)) == [
        n / 66 for n in range(12)
    ]


def test_an_epoch_without_answers_has_none_to_show() -> None:
    assert COLUMNS["class_shares"].text(EpochRecord(0)) == "-"


@pytest.mark.parametrize(
    ("encoding", "drawn"), [("utf-8", "▁█"), ("ascii", "_#"), ("cp1252", "_#")]
)
def test_a_stream_gets_bars_that_its_encoding_has(encoding: str, drawn: str) -> None:
    raw = io.BytesIO()
    display = make_display("plain", io.TextIOWrapper(raw, encoding=encoding), io.StringIO())
    display.start(RunHeader("", "", 1, ("epoch", "class_shares"), "kextract distill x"))
    display.show(record(0.0, 1.0))
    row = raw.getvalue().decode(encoding).splitlines()[1]
    assert row == f"    1          {drawn}"


def test_no_column_is_narrower_than_its_header() -> None:
    assert [c.name for c in COLUMNS.values() if len(c.header) > c.width] == []


def test_every_column_takes_its_own_figure() -> None:
    details = {
        "cross_entropy": 0.15,
        "confidence": 0.6,
        "iterations": 36.25,
        "requested": 0.65,
        "class_shares/0": 0.25,
        "class_shares/1": 0.75,
        "entropy": 0.55,
        "diversity": 0.35,
        "batch_norm_distance": 12.345,
        "transfer_agreement": 0.7,
        "unseen_agreement": 0.65,
        "synthesis_seconds": 7.0,
        "student_seconds": 8.0,
        "evaluation_seconds": 9.0,
        "questions": 7.0,
    }
    record = EpochRecord(1, 0.1, 0.2, 0.3, 0.4, 0.5, 10.0, details)
    assert {name: column.text(record) for name, column in COLUMNS.items()} == {
        "epoch": "1",
        "loss": "0.1000",
        "cross_entropy": "0.1500",
        "accuracy": "0.2000",
        "train_loss": "0.3000",
        "agreement": "0.4000",
        "kl": "0.5000",
        "transfer_agreement": "0.7000",
        "unseen_agreement": "0.6500",
        "confidence": "0.6000",
        "iterations": "36.2",
        "requested": "0.6500",
        "class_shares": "▂▆",
        "entropy": "0.5500",
        "diversity": "0.3500",
        "batch_norm_distance": "12.35",
        "synthesis_seconds": "7.0s",
        "student_seconds": "8.0s",
        "evaluation_seconds": "9.0s",
        "questions": "7",
        "seconds": "10.0s",
    }
