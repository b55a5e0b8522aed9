"""What is said of a file that is read, and files that are refused in one line that names them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from kextract.errors import RequestError, UnsupportedOperatorError
from kextract.foreign.network import read_tflite
from kextract.foreign.tflite import loading
from kextract.models.heads import SeveralOutputsError
from tests.foreign.refusing import refused
from tests.foreign.tflite.networks import Writer, packed


def small(path: Path, change: Callable[[Any], object] | None = None) -> Path:
    """Write a network of a ReLU and a sum; `change` may do something to it."""
    writer = Writer((4, 5, 3))
    bias = writer.constant(np.ones(3, np.float32))
    writer.rows(writer.add("RELU", writer.add("ADD", 0, bias, options="AddOptions")))
    last = len(writer.model.subgraphs[0].tensors) - 1
    writer.save(path, last)
    if change:
        change(writer.model)
        path.write_bytes(packed(writer.model))
    return path


refusal = partial(refused, read_tflite)


def test_what_a_file_says_of_itself_is_given(tmp_path: Path) -> None:
    found = read_tflite(small(tmp_path / "n.tflite"))
    assert (found.input_shape, found.classes) == ((4, 5, 3), 60)
    assert (found.numbers, found.input_ends, found.head) == ("float32", None, "unknown")
    assert found.notes == ()


def test_a_size_that_is_open_has_to_be_given(tmp_path: Path) -> None:
    def opened(model: Any) -> None:
        model.subgraphs[0].tensors[0].shapeSignature = [-1, -1, -1, 3]

    path = small(tmp_path / "n.tflite", opened)
    assert "--input-shape" in refusal(path, RequestError)
    found = read_tflite(path, input_shape=(8, 2, 3))
    assert (found.input_shape, found.classes) == ((8, 2, 3), 48)
    assert "it takes any x any x 3" in refusal(path, RequestError, input_shape=(8, 2, 1))


def test_one_of_several_outputs_has_to_be_chosen(tmp_path: Path) -> None:
    def two(model: Any) -> None:
        graph = model.subgraphs[0]
        graph.tensors[-1].name, graph.tensors[2].name = b"all", b"\x1b[2Jsum"
        graph.outputs = [len(graph.tensors) - 1, 2]

    path = small(tmp_path / "n.tflite", two)
    listed = r"'all' (1x60), '\x1b[2Jsum' (1x4x5x3)"
    with pytest.raises(SeveralOutputsError) as several:
        read_tflite(path)
    assert f"2 outputs: {listed}; say which one" in str(several.value)
    assert refusal(path, RequestError, output_name="b") == f"has no output 'b'; it has {listed}"
    assert read_tflite(path, output_name="all").classes == 60


def test_a_file_that_is_missing_or_something_else_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "n.tflite") == "no such file"
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "folder") == "is not a regular file"
    for content in (b"", b"<html>Not found</html>"):
        (tmp_path / "n.tflite").write_bytes(content)
        assert refusal(tmp_path / "n.tflite") == "is not a TFLite file"
    (tmp_path / "n.tflite").write_bytes(b"\x10\0\0\0TFL3")
    assert refusal(tmp_path / "n.tflite").startswith("is damaged, or is not a TFLite file")


def test_an_operator_that_is_not_known_is_named(tmp_path: Path) -> None:
    def other(model: Any) -> None:
        code = model.operatorCodes[1]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.WHERE

    path = small(tmp_path / "n.tflite", other)
    message = refusal(path, UnsupportedOperatorError)
    assert message == "operator 1 (WHERE) is of an operator that is not read"


def test_a_custom_operator_is_refused_by_its_name(tmp_path: Path) -> None:
    def other(model: Any) -> None:
        code = model.operatorCodes[1]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"TFLite_\x1b[2J" + b"x" * 5000

    message = refusal(small(tmp_path / "n.tflite", other), UnsupportedOperatorError)
    assert r"operator 1 (custom 'TFLite_\x1b[2Jxxx" in message
    assert len(message) < 300


@pytest.mark.parametrize("numbers", [[1 << 30] * 4, [-1, 5], [0], [1] * 9])
def test_a_shape_that_its_numbers_do_not_fill_is_refused(
    numbers: list[int], tmp_path: Path
) -> None:
    def other(model: Any) -> None:
        model.subgraphs[0].tensors[1].shape = numbers

    assert "tensor 1" in refusal(small(tmp_path / "n.tflite", other))


def test_graphs_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    def circle(model: Any) -> None:
        graph = model.subgraphs[0]
        graph.operators[0].inputs = [3, 1]

    def twice(model: Any) -> None:
        graph = model.subgraphs[0]
        graph.operators[1].outputs = graph.operators[0].outputs

    def nowhere(model: Any) -> None:
        model.subgraphs[0].operators[0].inputs = [1 << 20, 1]

    for change, expected in (
        (circle, "operator 0 (ADD) takes a tensor that nothing made before"),
        (twice, "operator 1 (RELU) makes a tensor that was there before"),
        (nowhere, "operator 0 (ADD) takes or makes a tensor that is not there"),
    ):
        assert refusal(small(tmp_path / "n.tflite", change)) == expected


def test_more_operators_than_a_network_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small(tmp_path / "n.tflite")
    monkeypatch.setattr(loading, "MAX_LINKS", 5)
    assert "more than 5 inputs and outputs" in refusal(path)
    monkeypatch.setattr(loading, "MAX_OBJECTS", 2)
    assert "more than 2 operators, tensors or buffers" in refusal(path)
