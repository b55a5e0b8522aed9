"""Files that are damaged, or made to do harm, are refused in one line that names them."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, parser

from kextract.errors import CheckpointError, KextractError, UnsupportedOperatorError
from kextract.foreign.network import read_onnx
from kextract.foreign.onnx import loading
from kextract.foreign.onnx.registry import Registry
from tests.foreign.onnx.networks import model


def refusal(path: Path, kind: type[KextractError] = CheckpointError) -> str:
    """Read a file that is to be refused; give the message without the path."""
    with pytest.raises(kind) as caught:
        read_onnx(path)
    message = str(caught.value)
    assert message.startswith(f"'{path}': ")
    assert message.isprintable()
    return message.removeprefix(f"'{path}': ")


def written(found: Any, folder: Path) -> Path:
    path = folder / "n.onnx"
    path.write_bytes(found.SerializeToString())
    return path


def test_a_file_that_is_missing_or_something_else_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "n.onnx") == "no such file"
    (tmp_path / "folder.onnx").mkdir()
    assert refusal(tmp_path / "folder.onnx") == "is not a regular file"
    (tmp_path / "text.onnx").write_text("<html>Not found</html>")
    assert "is damaged, or is not an ONNX file" in refusal(tmp_path / "text.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert "opset_import" in refusal(tmp_path / "empty.onnx")


@pytest.mark.parametrize("opset", [1, 6, 24])
def test_an_opset_that_is_not_known_is_refused(opset: int, tmp_path: Path) -> None:
    path = written(model("y = Relu (x)", (3, 4, 4), opset), tmp_path)
    assert refusal(path, UnsupportedOperatorError) == f"is of opset {opset}; read are 7 to 23"


def test_an_operator_that_is_not_known_is_named_with_its_node(tmp_path: Path) -> None:
    found = model("y = NonMaxSuppression (x, x)", (3, 4, 4))
    found.graph.node[0].name = "detect"
    path = written(found, tmp_path)
    message = refusal(path, UnsupportedOperatorError)
    assert message == "node 'detect' (NonMaxSuppression) is of an operator that is not read"


def test_operators_of_other_domains_are_refused_by_name(tmp_path: Path) -> None:
    found = model("y = Relu (x)", (3, 4, 4))
    found.graph.node[0].domain = "com.example"
    found.opset_import.append(helper.make_opsetid("com.example", 1))
    assert "(com.example.Relu)" in refusal(written(found, tmp_path), UnsupportedOperatorError)


def test_control_flow_is_refused_by_name(tmp_path: Path) -> None:
    found = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> n (float[N,3] x) => (float[N,3] y)\n'
        "<bool c = {1}> {\n"
        "y = If (c) <then_branch = a () => (float[N,3] p) { p = Relu (x) },"
        " else_branch = b () => (float[N,3] q) { q = Neg (x) }> }"
    )
    message = refusal(written(found, tmp_path), UnsupportedOperatorError)
    assert message == "node 'y' is of operator 'If': control flow"


def test_a_loop_with_one_input_is_refused_by_name(tmp_path: Path) -> None:
    found = model("y = Relu (x)", (3, 4, 4))
    body = helper.make_graph([], "body", [], [])
    found.graph.node[0].CopyFrom(helper.make_node("Loop", ["x"], ["y"], name="again", body=body))
    message = refusal(written(found, tmp_path), UnsupportedOperatorError)
    assert message == "node 'again' is of operator 'Loop': control flow"


def test_texts_are_refused(tmp_path: Path) -> None:
    found = model("y = Add (x, t)", (3, 4, 4))
    found.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"a"]))
    assert "tensor 't' is of texts" in refusal(written(found, tmp_path), UnsupportedOperatorError)


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 62, 1 << 62], [-3], [4, 4, 4], [1] * 20])
def test_a_shape_that_its_numbers_do_not_fill_is_refused(dims: list[int], tmp_path: Path) -> None:
    found = model("y = Add (x, t)", (3, 4, 4), t=(3, 4, 4))
    found.graph.initializer[0].dims[:] = dims
    refusal(written(found, tmp_path))


@pytest.mark.parametrize(
    "body",
    [
        "y = Expand (x, s)",
        "c = ConstantOfShape (s)\n y = Add (x, c)",
        "c = Tile (o, s)\n y = Add (x, c)",
        "c = Expand (o, s)\n y = Add (x, c)",
        "y = Pad (x, s)",
    ],
)
def test_what_would_be_huge_is_refused_before_it_is_made(body: str, tmp_path: Path) -> None:
    sizes = np.array([1 << 20] * (8 if "Pad" in body else 4))
    path = written(model(body, (3, 4, 4), s=sizes, o=(1, 1, 1, 1)), tmp_path)
    refusal(path)


def test_counting_without_end_is_refused(tmp_path: Path) -> None:
    constants = {"a": np.array(0), "b": np.array(1 << 60), "d": np.array(1)}
    found = model("r = Range (a, b, d)\n y = Add (x, r)", (3, 4, 4), **constants)  # type: ignore[arg-type]
    assert "counts without end" in refusal(written(found, tmp_path))


def test_weights_that_grow_with_every_node_are_refused(tmp_path: Path) -> None:
    body = "c0 = Relu (w)\n" + "".join(
        f"c{i + 1} = Concat <axis=0> (c{i}, c{i})\n" for i in range(40)
    )
    path = written(model(f"{body} y = Add (x, c40)", (3, 4, 4), w=(64,)), tmp_path)
    assert "larger than the file" in refusal(path)


@pytest.mark.parametrize(
    "body",
    [
        "y = Relu (nothing)",
        "y = Relu (z)\n z = Relu (y)",
        "y = Relu (x)\n y = Neg (x)",
        "x = Relu (x)\n y = Relu (x)",
        "y = Relu (x)\n z = Relu (x)",
    ],
)
def test_graphs_that_do_not_fit_together_are_refused(body: str, tmp_path: Path) -> None:
    found = model("y = Relu (x)", (3, 4, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = parser.parse_graph(f"g (float[N] x) => (float[N] y) {{ {body} }}").node
    del found.graph.node[:]
    found.graph.node.extend(nodes)
    refusal(written(found, tmp_path))


@pytest.mark.parametrize(
    "location", ["../secret.data", "/etc/hostname", "link.data", "", ".", "missing.data", "a\0b"]
)
def test_external_data_outside_the_folder_is_not_read(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.data").write_bytes(bytes(48 * 4))
    (folder / "link.data").symlink_to(tmp_path / "secret.data")
    found = model("y = Add (x, t)", (3, 4, 4), t=(3, 4, 4))
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    assert "tensor 't'" in (message := refusal(written(found, folder))) or "beside it" in message


@pytest.mark.parametrize(("offset", "length"), [("4", "192"), ("-1", "192"), ("0", "9"), ("x", "")])
def test_external_data_beyond_its_file_is_refused(offset: str, length: str, tmp_path: Path) -> None:
    (tmp_path / "n.data").write_bytes(bytes(48 * 4))
    found = model("y = Add (x, t)", (3, 4, 4), t=(3, 4, 4))
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "n.data"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    assert "tensor 't'" in refusal(written(found, tmp_path))


def test_more_nodes_than_a_network_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MAX_NODES", 3)
    path = written(model("a = Relu (x)\n b = Relu (a)\n y = Relu (b)", (3, 4, 4)), tmp_path)
    assert refusal(path) == "has 4 nodes; at most 3 are read"


def test_more_tensors_than_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MAX_TENSOR_BYTES", 100)
    path = written(model("y = Add (x, t)", (3, 4, 4), t=(3, 4, 4)), tmp_path)
    assert refusal(path) == "has more than 100 bytes of tensors"


@pytest.mark.parametrize("image", [(1 << 30, 4, 4), (3, 1 << 13, 1 << 13)])
def test_images_of_an_impossible_size_are_refused(
    image: tuple[int, int, int], tmp_path: Path
) -> None:
    refusal(written(model("y = GlobalAveragePool (x)", image), tmp_path))


def test_what_is_not_a_classifier_of_images_is_refused(tmp_path: Path) -> None:
    path = written(model("y = Relu (x)", (3, 4, 4), flatten=False), tmp_path)
    assert "gives an image a tensor of shape (1, 3, 4, 4)" in refusal(path)
    path = written(model("y = Identity (c)", (3, 4, 4), c=(1, 5)), tmp_path)
    assert refusal(path)


def test_an_image_without_an_axis_for_the_batch_is_refused(tmp_path: Path) -> None:
    found = model("y = Relu (x)", (4, 4))
    found.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    assert "without an axis for the batch" in refusal(written(found, tmp_path))


def test_names_cannot_move_the_cursor(tmp_path: Path) -> None:
    found = model("y = Relu (x)", (3, 4, 4))
    found.graph.node[0].name = "\x1b[2J\n" + "x" * 5000
    found.graph.node[0].op_type = "Evil\x1b"
    assert len(refusal(written(found, tmp_path))) < 500


def test_an_operator_cannot_be_registered_twice() -> None:
    registry = Registry()
    registry("Relu")(lambda call: call)
    with pytest.raises(ValueError, match=re.escape("Relu is registered twice")):
        registry("Relu")(lambda call: call)
