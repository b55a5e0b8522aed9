from dataclasses import replace

import numpy as np
import pytest

from kextract.errors import GateError
from kextract.exports.report import check_agreement, compare

LOGITS = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0], [0.0, 4.0]])


def test_equal_answers_agree_without_a_difference() -> None:
    found = compare("drawn", LOGITS, LOGITS.copy(), outputs="logits")
    assert (found.agreement, found.probability_difference, found.logit_difference) == (1, 0, 0)
    assert (found.images, found.accuracy, found.checkpoint_accuracy) == (4, None, None)


def test_agreement_is_the_share_of_equal_classes_and_accuracy_that_of_right_ones() -> None:
    other = LOGITS.copy()
    other[0] = other[0, ::-1]
    found = compare("test", LOGITS, other, outputs="logits", labels=np.array([0, 1, 1, 1]))
    assert (found.agreement, found.accuracy, found.checkpoint_accuracy) == (0.75, 0.5, 0.75)


def test_differences_are_the_largest_of_all() -> None:
    other = LOGITS.copy()
    other[0, 1] += 0.5
    found = compare("drawn", LOGITS, other, outputs="logits")
    closed = 1 / (1 + np.exp(-2.0)) - 1 / (1 + np.exp(-1.5))
    assert found.logit_difference == pytest.approx(0.5)
    assert found.probability_difference == pytest.approx(closed)


def test_probabilities_are_compared_with_those_of_the_logits() -> None:
    powers = np.exp(LOGITS)
    given = powers / powers.sum(axis=1, keepdims=True)
    found = compare("drawn", LOGITS, given, outputs="probabilities")
    assert found.probability_difference == pytest.approx(0, abs=1e-12)
    assert found.logit_difference is None


@pytest.mark.parametrize("outputs", ["logits", "sigmoids"])
def test_labels_on_their_own_are_compared_one_by_one(outputs: str) -> None:
    """0.0 is no label yet; of the 8, one is another in the file, from 1/2 to 0.6225."""
    other = LOGITS.copy()
    other[0, 1] = 0.5
    given = other if outputs == "logits" else 1 / (1 + np.exp(-other))
    found = compare("test", LOGITS, given, outputs=outputs, labels=np.array([0, 1, 0, 1]),
                    by_label=True)  # fmt: skip
    assert (found.agreement, found.accuracy, found.checkpoint_accuracy) == (7 / 8, 6 / 8, 7 / 8)
    assert found.probability_difference == pytest.approx(0.6224593 - 0.5)


GOOD = compare("drawn", LOGITS, LOGITS, outputs="logits")


@pytest.mark.parametrize(
    ("arithmetic", "agreement", "difference"),
    [("float32", 0.99, 1e-3), ("float16", 0.98, 0.1), ("int8", 0.9, 1.0)],
)
def test_what_is_just_near_enough_passes(
    arithmetic: str, agreement: float, difference: float
) -> None:
    edge = replace(GOOD, agreement=agreement, probability_difference=difference)
    check_agreement([edge, GOOD], arithmetic)


@pytest.mark.parametrize(
    ("arithmetic", "wrong", "named"),
    [
        ("float32", {"agreement": 0.98}, r"98\.0% of 4 drawn images, at least 99\.0%"),
        ("float32", {"probability_difference": 2e-3}, r"0\.002 on drawn images, at most 0\.001"),
        ("int8", {"agreement": 0.89}, r"89\.0% .*at least 90\.0%.*--calibrate"),
        ("float32", {"probability_difference": float("nan")}, "nan on drawn images"),
    ],
)
def test_what_is_too_far_is_refused_with_how_far(
    arithmetic: str, wrong: dict[str, float], named: str
) -> None:
    with pytest.raises(GateError, match=named):
        check_agreement([GOOD, replace(GOOD, **wrong)], arithmetic)  # type: ignore[arg-type]
