"""Whole networks: those that PyTorch wrote, how images are given, what a network ends in."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kextract.errors import RequestError
from kextract.foreign.network import read_onnx
from kextract.models.heads import LOGITS
from kextract.models.input_range import PIXELS
from kextract.teachers.networks import compared, read_file
from tests.foreign.onnx.networks import by_onnxruntime, images, model
from tests.foreign.outputs import outputs_of

FILES = Path(__file__).parent / "files"
NETWORK = "c = Conv (x, v)\n r = Relu (c)\n g = GlobalAveragePool (r)\n f = Flatten (g)\n"


def classifier(
    path: Path, end: str, image: tuple[int | str, ...] = (3, 8, 8), opset: int = 17, **more: Any
) -> Path:
    """Write a small network whose last line makes `y` of `f`, which is (n, 6)."""
    found = model(NETWORK + end, image, opset, flatten=False, v=(6, 3, 3, 3), w=(6, 5), **more)
    onnx.save(found, path)
    return path


@pytest.mark.parametrize("exporter", ["traced", "dynamo"])
@pytest.mark.parametrize(("name", "head"), [("cnn", "logits"), ("vit", "softmax")])
def test_files_of_both_exporters_of_pytorch_compute_what_pytorch_computed(
    name: str, head: str, exporter: str
) -> None:
    network = read_onnx(FILES / f"{name}-{exporter}.onnx")
    stored = np.load(FILES / f"{name}.npz")
    found = outputs_of(network, stored["images"].transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found, stored["outputs"], atol=2e-6)
    assert network.head == head
    assert (network.input_shape, network.classes) == ((16, 16, 3), 5)


def test_a_network_in_float16_is_read_in_float32_and_says_so() -> None:
    network = read_onnx(FILES / "cnn-float16.onnx")
    assert {weight.dtype for weight in network.model.weights} == {"float32"}
    assert network.notes == ("computes in float16; read in float32",)
    seen = images(3, 16, 16).astype(np.float16)
    expected = by_onnxruntime(FILES / "cnn-float16.onnx", seen)
    found = outputs_of(network, seen.transpose(0, 2, 3, 1).astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=2e-3 * float(np.ptp(expected)))


def test_batch_normalizations_keep_their_statistics() -> None:
    from kextract.models.statistics import batch_norm_layers

    path = FILES / "cnn-with-batch-norm.onnx"
    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity":
            # What is the same twice is there once.
            stored[node.output[0]] = stored[node.input[0]]
    nodes = [node for node in graph.node if node.op_type == "BatchNormalization"]
    layers = batch_norm_layers(read_onnx(path).model)
    for layer, node in zip(layers, nodes, strict=True):
        expected = [stored[name] for name in node.input[1:]]
        for found, values in zip(layer.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(found, values)


def test_kernels_are_variables_and_images_get_gradients(tensorflow: Any) -> None:
    network = read_onnx(FILES / "vit-traced.onnx").model
    given = tensorflow.constant(images(16, 16, 3, count=2))
    with tensorflow.GradientTape() as tape:
        tape.watch(given)
        loss = tensorflow.reduce_sum(network(given)[:, 0])
    gradients = tape.gradient(loss, [given, *network.trainable_variables])
    assert all(gradient is not None for gradient in gradients)
    assert sum(np.prod(v.shape) for v in network.trainable_variables) > 5000


@pytest.mark.parametrize(
    ("end", "opset", "head"),
    [
        ("l = MatMul (f, w)\n y = Softmax (l)", 11, "softmax"),
        ("l = MatMul (f, w)\n s = Softmax <axis=1> (l)\n y = Reshape (s, z)", 17, "softmax"),
        ("l = MatMul (f, w)\n y = LogSoftmax (l)", 17, "logits"),
        ("l = MatMul (f, w)\n y = Sigmoid (l)", 17, "sigmoid"),
        ("l = MatMul (f, w)\n s = Softmax (l)\n y = Mul (s, s)", 17, "unknown"),
    ],
)
def test_logits_are_taken_before_what_a_network_ends_in(
    end: str, opset: int, head: str, tmp_path: Path
) -> None:
    path = classifier(tmp_path / "n.onnx", end, opset=opset, z=np.array([-1, 5]))
    network = read_onnx(path)
    given = images(3, 8, 8)
    assert network.head == head
    found = outputs_of(network, given.transpose(0, 2, 3, 1))
    expected = by_onnxruntime(path, given)
    if "Log" in end:
        found, expected = np.exp(found), np.exp(expected)
        found /= found.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_images_with_channels_last_are_given_as_they_are(tmp_path: Path) -> None:
    body = "t = Transpose <perm=[0,3,1,2]> (x)\n c = Conv (t, v)\n y = GlobalAveragePool (c)"
    onnx.save(model(body, (7, 8, 3), v=(5, 3, 3, 3)), tmp_path / "n.onnx")
    network = read_onnx(tmp_path / "n.onnx")
    given = images(7, 8, 3)
    assert network.input_shape == (7, 8, 3)
    expected = by_onnxruntime(tmp_path / "n.onnx", given)
    np.testing.assert_allclose(network.model.predict_on_batch(given), expected, atol=1e-5)
    kinds = {type(layer).__name__ for layer in network.model.layers}
    assert not kinds & {"Permute", "Reshape"}


def test_open_axes_are_taken_from_the_input_shape(tmp_path: Path) -> None:
    path = classifier(tmp_path / "n.onnx", "y = MatMul (f, w)", image=(3, "h", "w"))
    with pytest.raises(RequestError, match="pass --input-shape HEIGHT,WIDTH,CHANNELS"):
        read_onnx(path)
    assert read_onnx(path, input_shape=(9, 12, 3)).model.input_shape == (None, 9, 12, 3)


@pytest.mark.parametrize("shape", [(8, 9, 3), (3, 8, 8), (1 << 20, 8, 3)])
def test_an_input_shape_that_does_not_fit_is_refused(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    path = classifier(tmp_path / "n.onnx", "y = MatMul (f, w)")
    with pytest.raises(RequestError, match="--input-shape"):
        read_onnx(path, input_shape=shape)


def _heads(path: Path) -> Path:
    found = model(
        NETWORK + "y = MatMul (f, w)\n z = Softmax (y)",
        (3, 8, 8),
        flatten=False,
        v=(6, 3, 3, 3),
        w=(6, 5),
    )
    found.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 5]))
    onnx.save(found, path)
    return path


def test_one_of_several_outputs_is_chosen_by_name(tmp_path: Path) -> None:
    path = _heads(tmp_path / "n.onnx")
    with pytest.raises(RequestError, match=r"2 outputs: .*'logits'.*'z' \(\?x5\)"):
        read_onnx(path)
    with pytest.raises(RequestError, match="no output 'q'; it has 'logits'"):
        read_onnx(path, output_name="q")
    assert read_onnx(path, output_name="z").head == "softmax"
    assert read_onnx(path, output_name="logits").head == "logits"


def test_external_data_is_read_from_the_folder_of_the_file(tmp_path: Path) -> None:
    path = classifier(tmp_path / "n.onnx", "y = MatMul (f, w)")
    expected = read_onnx(path).model.get_weights()
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="n.data", size_threshold=0
    )
    for found, weight in zip(read_onnx(path).model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(found, weight)


def test_a_large_weight_that_several_nodes_take_is_there_once(tmp_path: Path) -> None:
    body = "h0 = Relu (x)\n" + "".join(f"h{i + 1} = MatMul (h{i}, w)\n" for i in range(20))
    onnx.save(model(body + "y = Relu (h20)", (192,), w=(192, 192)), tmp_path / "n.onnx")
    assert read_onnx(tmp_path / "n.onnx").model.count_params() == 192 * 192


def test_a_network_that_its_runtime_cannot_run_is_read_and_said_not_to_be_compared(
    tmp_path: Path,
) -> None:
    found = model("a = Conv (x, w)\n y = GlobalAveragePool (a)", (3, 16, 16), w=(4, 3, 3, 3))
    kernel = onnx.numpy_helper.to_array(found.graph.initializer[0]).astype(np.float64)
    found.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(kernel, "w"))
    for port in (found.graph.input[0], found.graph.output[0]):
        port.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    onnx.save(found, tmp_path / "n.onnx")
    (note,) = read_file(tmp_path / "n.onnx").notes
    assert "is not compared with its runtime" in note and "onnxruntime cannot" in note


def test_a_comparison_notices_a_network_that_is_not_the_files(tmp_path: Path) -> None:
    path = classifier(tmp_path / "n.onnx", "y = MatMul (f, w)")
    network = read_onnx(path).model
    shape = (8, 8, 3)
    good = compared(path, network, shape, PIXELS, LOGITS, None)
    assert good[0] < 1e-5
    assert good[1] == 1.0
    kernel = network.layers[-1].kernel
    kernel.assign(-np.asarray(kernel))
    bad = compared(path, network, shape, PIXELS, LOGITS, None)
    assert bad[0] > 0.1
    assert bad[1] < 1
