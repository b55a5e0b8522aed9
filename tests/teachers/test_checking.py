from typing import Any

import numpy as np
import pytest

from kextract.teachers.checking import NonsenseError, checked

NAN = float("nan")
ROWS = [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]


def test_probabilities_come_out_as_float32_rows() -> None:
    rows = checked(ROWS, "probabilities", 2, 3)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, ROWS)


def test_probabilities_that_are_rounded_to_two_decimals_pass() -> None:
    checked([[0.33, 0.33, 0.33]], "probabilities", 1, 3)


def test_logits_may_be_any_finite_numbers() -> None:
    rows = checked([[-50, 3, 1000], [0, 0, 0]], "logits", 2, 3)
    np.testing.assert_array_equal(rows, [[-50, 3, 1000], [0, 0, 0]])


def test_labels_come_out_as_int32() -> None:
    labels = checked(np.array([2, 0], np.uint8), "labels", 2, 3)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [2, 0])


@pytest.mark.parametrize("kind", ["logits", "probabilities", "labels"])
def test_no_answers_to_no_images_make_sense(kind: str) -> None:
    empty = np.zeros((0,), np.int64) if kind == "labels" else np.zeros((0, 3))
    assert len(checked(empty, kind, 0, 3)) == 0


@pytest.mark.parametrize(
    ("outputs", "kind", "says"),
    [
        ([[0.5, 0.5, NAN]] * 2, "probabilities", "numbers that are not finite"),
        ([[0.5, np.inf, 0.1]] * 2, "logits", "numbers that are not finite"),
        ([[0.5, 0.4, 0.3]] * 2, "probabilities", "a row that sums to 1.2"),
        ([[1.5, -0.5, 0.0]] * 2, "probabilities", "numbers from -0.5 to 1.5"),
        ([[0.5, 0.5]] * 2, "probabilities", r"float64 \(2, 2\), expected numbers \(2, 3\)"),
        (ROWS[:1], "probabilities", r"float64 \(1, 3\), expected numbers \(2, 3\)"),
        ([["a", "b", "c"]] * 2, "probabilities", "expected numbers"),
        (None, "probabilities", r"an array of object \(\), expected numbers"),
        ([2, 0], "probabilities", "labels where probabilities were expected: pass --access labels"),
        ([[1, 0, 0]] * 2, "labels", r"int64 \(2, 3\), expected integer labels \(2,\)"),
        ([0.0, 1.0], "labels", "float64 .* expected integer labels"),
        ([0, 3], "labels", "labels from 0 to 3, expected 0 to 2"),
        ([-1, 2], "labels", "labels from -1 to 2"),
    ],
)
def test_nonsense_is_told_apart(outputs: Any, kind: str, says: str) -> None:
    with pytest.raises(NonsenseError, match=says):
        checked(outputs, kind, 2, 3)
