from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kextract.teachers.checking import InvalidOutputError, checked

NAN = float("nan")
ROWS = [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]


def test_probabilities_come_out_as_float32_rows() -> None:
    rows = checked(ROWS, "probabilities", 2, 3)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, ROWS)


def test_probabilities_of_labels_need_not_sum_to_one() -> None:
    found = checked([[0.9, 0.8, 0.0], [0.0, 0.0, 1.001]], "sigmoids", 2, 3)
    np.testing.assert_allclose(found, [[0.9, 0.8, 0.0], [0.0, 0.0, 1.0]])
    with pytest.raises(InvalidOutputError, match="numbers from -3 to 2, expected a probability"):
        checked([[-3.0, 2.0, 0.0]], "sigmoids", 1, 3)
    with pytest.raises(InvalidOutputError, match=r"sums to 1\.7.*pass --outputs sigmoids"):
        checked([[0.9, 0.8, 0.0]], "probabilities", 1, 3)


def softmax(count: int, classes: int) -> NDArray[np.float64]:
    raised = np.exp(2 * np.random.default_rng(0).normal(size=(count, classes)))
    rows: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return rows


ROUNDED: dict[str, tuple[Callable[[NDArray[np.float64]], Any], float]] = {
    "as they are": (lambda p: p, 1e-7),
    "in half precision": (lambda p: p.astype(np.float16), 1e-3),
    "two decimals": (lambda p: p.round(2), 0.005),
    "two decimals in single precision": (lambda p: p.astype(np.float32).round(2), 0.005),
    "two decimals, cut off": (lambda p: np.floor(p * 100) / 100, 0.01),
    "percentages": (lambda p: p * 100, 1e-6),
    "whole percentages": (lambda p: (p * 100).round().astype(int), 0.005),
    "eight bits": (lambda p: (p * 255).round().astype(np.uint8), 0.5 / 255),
}
"""What services return for probabilities, and how far from them each number may be."""


@pytest.mark.parametrize("classes", [3, 100])
@pytest.mark.parametrize(("returned", "error"), ROUNDED.values(), ids=ROUNDED)
def test_rounded_probabilities_are_made_to_sum_to_one(
    returned: Callable[[NDArray[np.float64]], Any], error: float, classes: int
) -> None:
    exact = softmax(64, classes)
    rows = checked(returned(exact), "probabilities", 64, classes)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    # Each of the others may be wrong by as much, and all share it.
    assert np.abs(rows - exact).max() <= error + exact.max() * classes * error
    # What is told apart after rounding stays in order.
    assert (rows.argmax(axis=1) == np.asarray(returned(exact)).argmax(axis=1)).all()


def test_classes_that_are_not_named_share_what_the_first_few_leave() -> None:
    rows = checked([[0.6, 0.2, 0, 0, 0], [0, 0.5, 0.2, 0.13, 0.1]], "probabilities", 2, 5)
    shares = [[0.6, 0.2, 0.2 / 3, 0.2 / 3, 0.2 / 3], [0.07, 0.5, 0.2, 0.13, 0.1]]
    np.testing.assert_allclose(rows, shares, rtol=1e-6)


class Tensor:
    """Stands for a tensor of PyTorch that has gradients and lies on another device."""

    def __init__(self, values: NDArray[Any], at_hand: bool = False) -> None:
        self._values, self._at_hand = values, at_hand

    def detach(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        return Tensor(self._values, at_hand=True)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        if not self._at_hand:
            raise RuntimeError("requires grad")
        return self._values


@pytest.mark.parametrize(
    "outputs",
    [
        Tensor(np.array(ROWS)),
        [Tensor(np.array(row)) for row in ROWS],
        tuple(tuple(row) for row in ROWS),
        [np.array(row, np.float32) for row in ROWS],
    ],
    ids=["tensor", "list of tensors", "tuples", "list of arrays"],
)
def test_numbers_are_taken_out_of_whatever_holds_them(outputs: Any) -> None:
    np.testing.assert_array_equal(checked(outputs, "probabilities", 2, 3), ROWS)


def test_only_numbers_that_are_not_finite_may_be_others_the_next_time() -> None:
    for outputs, may_pass in (([[NAN] * 3], True), ([[0.5] * 3], False), (None, False)):
        with pytest.raises(InvalidOutputError) as caught:
            checked(outputs, "probabilities", 1, 3)
        assert caught.value.may_pass is may_pass


@pytest.mark.parametrize(
    ("outputs", "kind", "says"),
    [
        ([[0.5, 0.5, NAN]] * 2, "probabilities", "numbers that are not finite"),
        ([[0.5, np.inf, 0.1]] * 2, "logits", "numbers that are not finite"),
        ([[0.5, 0.4, 0.3]] * 2, "probabilities", "a row that sums to 1.2"),
        (
            [[1.5, -0.5, 0.0]] * 2,
            "probabilities",
            "from -0.5 to 1.5, .*for logits pass --access full",
        ),
        ([[0.0, 0.0, 0.0]] * 2, "probabilities", "a row that sums to 0, expected probabilities"),
        ([[0.9, 0.9, 0.0]] * 2, "probabilities", "a row that sums to 1.8, expected probabilities"),
        ([[60, 30, 0], [90, 0, 90]], "probabilities", "numbers from 0 to 90, expected prob"),
        ([{"cat": 0.5}, {"cat": 0.5}], "probabilities", r"an array of dict \(2,\), expected"),
        ([[0.5, 0.5], [1.0]], "probabilities", "rows of several lengths, expected an array"),
        ([[0.5, 0.5, 0.0]] * 2 + [None], "probabilities", "rows of several lengths"),
        (ROWS[:1], "probabilities", r"float64 \(1, 3\), expected numbers \(2, 3\)"),
        (None, "probabilities", r"an array of NoneType \(\), expected numbers"),
        ([2, 0], "probabilities", "labels where probabilities were expected: pass --access labels"),
        ([[1, 0, 0]] * 2, "labels", r"int64 \(2, 3\), expected integer labels \(2,\)"),
        ([0.0, 1.0], "labels", "float64 .* expected integer labels"),
        ([0, 3], "labels", "labels from 0 to 3, expected 0 to 2"),
    ],
)
def test_nonsense_is_told_apart(outputs: Any, kind: str, says: str) -> None:
    with pytest.raises(InvalidOutputError, match=says):
        checked(outputs, kind, 2, 3)
