import math
from dataclasses import replace
from typing import Any

import pytest

from kextract.records import EpochRecord
from kextract.storage.info import check_info
from tests.storage.examples import HISTORY, info

FILLED = {"created": "2026-01-02T03:04:05+00:00", "sha256": "0" * 64, "kextract_version": "0.1"}


def row(**changes: Any) -> dict[str, Any]:
    return {"history": (replace(HISTORY[1], **changes),)}


def test_a_complete_description_is_accepted() -> None:
    check_info(info(**FILLED))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("kind", {"kind": "pupil"}),
        ("pooling", {"pooling": "max"}),
        ("precision", {"precision": "int8"}),
        ("model", {"model": ""}),
        ("input_shape", {"input_shape": (8, 8)}),
        ("input_shape", {"input_shape": (8, 0, 1)}),
        ("classes", {"classes": 0}),
        ("class_names", {"class_names": ("one",)}),
        ("class_names", {"class_names": (1, 2, 3)}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**63}),
        ("sha256", {"sha256": "abc"}),
        ("teacher_sha256", {"teacher_sha256": "A" * 64}),
        ("created", {"created": "yesterday"}),
        ("created", {"created": "2026-01-02T03:04:05"}),
        ("created", {"created": "2026-01-02T03:04:05+02:00"}),
        ("test", {"test": {"loss": math.nan}}),
        ("test", {"test": {"loss": "low"}}),
        ("history/loss", row(loss=-0.5)),
        ("history/loss", row(loss=math.inf)),
        ("history/accuracy", row(accuracy=1.5)),
        ("history/train_loss", row(train_loss=-1.0)),
        ("history/agreement", row(agreement=math.nan)),
        ("history/kl", row(kl=-0.5)),
        ("history/seconds", row(seconds=-1.0)),
        ("history/epoch", row(epoch=-1)),
        ("history/details", row(details={"confidence": math.inf})),
        ("history/epoch", {"history": (HISTORY[1], HISTORY[1])}),
    ],
)
def test_a_wrong_field_is_named(field: str, changes: dict[str, Any]) -> None:
    place = field.replace("history/", r"history/(\d/)?")
    with pytest.raises(ValueError, match=f"'{place}['/]"):
        check_info(info(**(FILLED | changes)))


def test_a_divergence_that_rounding_made_negative_is_accepted() -> None:
    check_info(info(**FILLED, history=(EpochRecord(epoch=0, loss=0.0, accuracy=1.0, kl=-1e-7),)))
