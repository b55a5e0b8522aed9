import io
import json

import pytest

from kextract.display import RunHeader, make_display
from kextract.records import COLUMNS, EpochRecord, bars, best_epoch


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


def history(*accuracies: float | None) -> list[EpochRecord]:
    return [EpochRecord(epoch, accuracy=accuracy) for epoch, accuracy in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ((0.1, 0.9, 0.5), 1),
        ((0.1, 0.5, 0.9), 2),
        ((0.9, 0.5, 0.1), 0),
        ((0.1, 0.9, 0.9), 2),
        ((0.0, 0.0), 1),
        ((None, 0.0, None), 1),
        ((0.2, None, 0.3), 2),
    ],
)
def test_the_best_epoch_is_the_last_of_the_highest_accuracy(
    accuracies: tuple[float | None, ...], best: int
) -> None:
    found = best_epoch(history(*accuracies))
    assert found is not None and found.epoch == best


@pytest.mark.parametrize("accuracies", [(), (None,), (None, None)])
def test_without_validation_no_epoch_is_best(accuracies: tuple[None, ...]) -> None:
    assert best_epoch(history(*accuracies)) is None


@pytest.mark.parametrize(("loss", "best"), [(1.0, 1), (3.0, 0)])
def test_an_untrained_model_is_best_only_where_training_did_not_lower_the_loss(
    loss: float, best: int
) -> None:
    records = [EpochRecord(0, loss=2.0, accuracy=0.5), EpochRecord(1, loss=loss, accuracy=0.4)]
    assert best_epoch(records) is records[best]


def test_a_record_survives_json() -> None:
    record = EpochRecord(3, 0.5, 0.75, 0.25, 0.9, 0.125, 2.5, {"confidence": 0.5})
    assert EpochRecord(**json.loads(json.dumps(record.to_dict()))) == record
