"""What outputs are taken for, by the last operation and by their numbers."""

from typing import Any

import numpy as np
import pytest

from kextract.models.heads import (
    Head,
    SeveralOutputsError,
    choose_output,
    decide,
    distinct,
    last_operation,
)

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 2, (36, 3))
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
ALIKE = np.repeat(SHARES[:1], 36, axis=0)


def by_numbers(rows: Any) -> Head:
    rows = np.asarray(rows, np.float32)
    return decide(rows[:2], lambda: rows)


@pytest.mark.parametrize(
    ("rows", "outputs", "sure"),
    [
        (LOGITS, "logits", True),
        (SHARES, "probabilities", True),
        (ALIKE, "probabilities", False),
        (SHARES[:, None, None, :], "probabilities", True),
        (np.log(SHARES), "log-probabilities", True),
        (-np.abs(LOGITS), "logits", True),
        (1 / (1 + np.exp(-LOGITS)), "sigmoids", False),
        (SHARES[:, :1], "sigmoids", False),
        (LOGITS[:, :1], "logits", True),
    ],
)
def test_signs_and_sums_tell_where_no_operation_does(rows: Any, outputs: str, sure: bool) -> None:
    head = by_numbers(rows)
    assert (head.outputs, head.confident) == (outputs, sure)


@pytest.mark.parametrize(
    ("operation", "outputs"),
    [
        ("Relu", "logits"),
        ("softmax", "probabilities"),
        ("LOG_SOFTMAX", "log-probabilities"),
        ("LOGISTIC", "sigmoids"),
    ],
)
def test_the_last_operation_tells_whatever_the_numbers_look_like(
    operation: str, outputs: str
) -> None:
    def never() -> Any:
        raise AssertionError("nothing else is asked")

    assert decide(np.full((2, 2), -0.7), never, operation) == Head(
        outputs, f"its last operation is {operation}", numbers=2
    )


@pytest.mark.parametrize(
    ("operation", "width", "requested", "given"),
    [
        ("Sigmoid", 3, None, "sigmoids"),
        ("Sigmoid", 1, None, "probabilities"),
        ("Sigmoid", 3, "probabilities", "probabilities"),
        ("Gemm", 3, "label-logits", "label-logits"),
        ("Gemm", 1, "label-logits", "logits"),
    ],
)
def test_several_sigmoids_are_labels_of_their_own_and_one_stands_for_two_classes(
    operation: str, width: int, requested: str | None, given: str
) -> None:
    head = decide(np.full((2, width), 0.5), lambda: np.zeros((2, width)), operation, requested)
    assert head.given == given
    assert head.by_label == (given in ("sigmoids", "label-logits"))


def test_a_softmax_over_parts_of_the_outputs_is_not_one_over_all() -> None:
    rows = np.concatenate([SHARES, SHARES], axis=1)
    assert decide(rows, lambda: rows, "Softmax").outputs == "sigmoids"


GRAPH = {
    "pooled": ("GlobalAveragePool", ["image"]),
    "product": ("MatMul", ["pooled", "weights"]),
    "sum": ("Add", ["product", "cast bias"]),
    "cast bias": ("Cast", ["bias"]),
    "shares": ("Softmax", ["sum"]),
    "flat": ("Reshape", ["shares", "shape"]),
    "out": ("Identity", ["flat"]),
    "mean": ("Add", ["shares", "flat"]),
    "loop": ("Identity", ["loop"]),
}


@pytest.mark.parametrize(
    ("output", "operation"),
    [
        ("out", "Softmax"),
        ("sum", "MatMul"),
        ("mean", "Add"),
        ("image", None),
        ("loop", None),
    ],
)
def test_the_last_operation_is_the_one_that_changes_numbers(
    output: str, operation: str | None
) -> None:
    assert last_operation(GRAPH, output) == operation


def test_the_only_output_needs_no_choice_and_one_of_several_does() -> None:
    assert choose_output("x.onnx", {"y": "3"}, None) == "y"
    sizes = {"age": "8", "map": "7x7x64"}
    assert choose_output("x.onnx", sizes, "age") == "age"
    with pytest.raises(SeveralOutputsError, match=r"2 outputs: age \(8\), map \(7x7x64\);") as few:
        choose_output("x.onnx", sizes, None)
    assert "--output-name age" in str(few.value)
    with pytest.raises(SeveralOutputsError, match="has no such output"):
        choose_output("x.onnx", sizes, "size")


def test_outputs_of_one_name_are_told_apart() -> None:
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a:1", "a:2"]
