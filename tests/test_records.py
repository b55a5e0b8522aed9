import json

import pytest

from kextract.records import EpochRecord, best_epoch


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


def test_a_lower_loss_does_not_make_a_trained_epoch_best() -> None:
    records = [
        EpochRecord(0, loss=3.0, accuracy=0.1),
        EpochRecord(1, loss=2.0, accuracy=0.5),
        EpochRecord(2, loss=1.0, accuracy=0.4),
    ]
    assert best_epoch(records) is records[1]


def test_a_record_survives_json() -> None:
    record = EpochRecord(3, 0.5, 0.75, 0.25, 0.9, 0.125, 2.5, {"confidence": 0.5})
    assert EpochRecord(**json.loads(json.dumps(record.to_dict()))) == record
