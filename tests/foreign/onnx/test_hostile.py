"""Files that are damaged, or made to do harm, are refused in one line that names them."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, parser

from kextract.errors import UnsupportedOperatorError
from kextract.foreign.network import read_onnx
from kextract.foreign.onnx import loading
from tests.foreign.onnx.networks import model
from tests.foreign.refusing import refused

refusal = partial(refused, read_onnx)


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


@pytest.mark.parametrize("opset", [6, 24])
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
    found = model("y = Relu (x)", (3, 4, 4))
    body = helper.make_graph([], "body", [], [])
    found.graph.node[0].CopyFrom(helper.make_node("Loop", ["x"], ["y"], name="again", body=body))
    message = refusal(written(found, tmp_path), UnsupportedOperatorError)
    assert message == "node 'again' is of operator 'Loop': control flow"


def test_texts_are_refused(tmp_path: Path) -> None:
    found = model("y = Add (x, t)", (3, 4, 4))
    found.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"a"]))
    assert "tensor 't' is of texts" in refusal(written(found, tmp_path), UnsupportedOperatorError)


@pytest.mark.parametrize("dims", [[1 << 62, 1 << 62], [-3], [4, 4, 4]])
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


def with_external_data(folder: Path, **entries: str) -> Path:
    """Write a network whose only tensor is in another file, as `entries` say."""
    found = model("y = Add (x, t)", (3, 4, 4), t=(3, 4, 4))
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return written(found, folder)


@pytest.mark.parametrize("location", ["../secret.data", "/etc/hostname", "link.data", ".", "a\0b"])
def test_external_data_outside_the_folder_is_not_read(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.data").write_bytes(bytes(48 * 4))
    (folder / "link.data").symlink_to(tmp_path / "secret.data")
    message = refusal(with_external_data(folder, location=location))
    assert "tensor 't'" in message or "beside it" in message


@pytest.mark.parametrize(("offset", "length"), [("4", "192"), ("-1", "192"), ("x", "")])
def test_external_data_beyond_its_file_is_refused(offset: str, length: str, tmp_path: Path) -> None:
    (tmp_path / "n.data").write_bytes(bytes(48 * 4))
    path = with_external_data(tmp_path, location="n.data", offset=offset, length=length)
    assert "tensor 't'" in refusal(path)


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


def test_more_nodes_than_a_network_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MAX_NODES", 3)
    path = written(model("a = Relu (x)\n b = Relu (a)\n y = Relu (b)", (3, 4, 4)), tmp_path)
    assert refusal(path) == "has 4 nodes; at most 3 are read"
