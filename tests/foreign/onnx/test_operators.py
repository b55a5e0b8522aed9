"""Each operator, in each way that exporters use it, against onnxruntime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kextract.foreign.keras.description import clean_model
from kextract.foreign.network import read_onnx
from tests.foreign.onnx.networks import by_onnxruntime, images, model

IMAGE = (4, 8, 7)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a convolution": ("y = Conv (x, w, b)", {"w": (5, 4, 3, 2), "b": (5,)}),
    "pads, strides": (
        "y = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w)",
        {"w": (5, 4, 3, 3)},
    ),
    "pads that differ": ("y = Conv <pads=[0,2,1,1]> (x, w)", {"w": (5, 4, 3, 3)}),
    "strides and dilations": (
        "y = Conv <dilations=[2,2], strides=[2,3], pads=[2,2,2,2]> (x, w)",
        {"w": (3, 4, 3, 3)},
    ),
    "groups": ("y = Conv <group=2> (x, w, b)", {"w": (6, 2, 3, 3), "b": (6,)}),
    "two kernels a channel": (
        "y = Conv <group=4, strides=[2,1], pads=[1,1,1,1]> (x, w)",
        {"w": (8, 1, 3, 3)},
    ),
    "depthwise, strides and dilations": (
        "y = Conv <group=4, strides=[2,2], dilations=[2,2], pads=[2,2,2,2]> (x, w)",
        {"w": (4, 1, 3, 3)},
    ),
    "auto_pad upper": (
        'y = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, w)',
        {"w": (3, 4, 4, 4)},
    ),
    "auto_pad lower": (
        'y = Conv <auto_pad="SAME_LOWER", strides=[2,2]> (x, w)',
        {"w": (3, 4, 4, 4)},
    ),
    "a convolution backwards": (
        "y = ConvTranspose <strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]> (x, w, b)",
        {"w": (4, 3, 3, 3), "b": (3,)},
    ),
    "batch normalization": (
        "y = BatchNormalization <epsilon=0.01> (x, g, b, m, v)",
        {"g": (4,), "b": (4,), "m": (4,), "v": np.array([0.5, 1, 2, 3], "f")},
    ),
    "max pooling": ("y = MaxPool <kernel_shape=[3,3], strides=[2,2]> (x)", {}),
    "max pooling with pads of what may be negative": (
        "y = MaxPool <kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]> (x)",
        {},
    ),
    "max pooling, ceil_mode and pads": (
        "y = MaxPool <kernel_shape=[2,2], strides=[2,2], pads=[1,1,1,1], ceil_mode=1> (x)",
        {},
    ),
    "average pooling with pads that count": (
        "y = AveragePool <kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1> (x)",
        {},
    ),
    "average pooling with pads that do not": (
        "y = AveragePool <kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]> (x)",
        {},
    ),
    "average pooling, ceil_mode and pads that count": (
        "y = AveragePool <kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1,"
        " count_include_pad=1> (x)",
        {},
    ),
    "average pooling of all": ("y = AveragePool <kernel_shape=[8,7]> (x)", {}),
    "global pooling": ("a = GlobalAveragePool (x)\n b = GlobalMaxPool (x)\n y = Sub (a, b)", {}),
    "a squeeze and excitation": (
        "a = GlobalAveragePool (x)\n b = Conv (a, w)\n s = HardSigmoid (b)\n y = Mul (x, s)",
        {"w": (4, 4, 1, 1)},
    ),
    "local response normalization": ("y = LRN <size=3, alpha=0.1, beta=0.7, bias=2.0> (x)", {}),
    **{
        f"{op}": (f"y = {op} (x)", {})
        for op in (
            *("Relu", "Tanh", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu"),
            *("HardSigmoid", "HardSwish", "Exp", "Abs", "Neg", "Reciprocal", "Celu", "Identity"),
        )
    },
    "a sigmoid": ("a = Sigmoid (x)\n y = Add (a, x)", {}),
    "a mish in one": ("y = Mish (x)", {"opset": 18}),
    "a gelu in one": ("y = Gelu (x)", {"opset": 20}),
    "a gelu by tanh": ('y = Gelu <approximate="tanh"> (x)', {"opset": 20}),
    "a steep ReLU": ("y = LeakyRelu <alpha=0.3> (x)", {}),
    "an elu and a selu of other slopes": (
        "a = Elu <alpha=0.7> (x)\n y = Selu <alpha=1.5, gamma=2.0> (a)",
        {},
    ),
    "a slope a channel": ("y = PRelu (x, s)", {"s": (4, 1, 1)}),
    "a slope a place": ("y = PRelu (x, s)", {"s": (4, 8, 7)}),
    "a hard sigmoid of PyTorch": ("y = HardSigmoid <alpha=0.16666667> (x)", {}),
    "clips": (
        "a = Clip (x, l, h)\n b = Clip (x, l)\n c = Clip (x, , z)\n d = Add (a, b)\n"
        " y = Add (d, c)",
        {"l": np.float32(-1), "h": np.float32(0.5), "z": np.float32(0)},
    ),
    "clips by attributes": ("y = Clip <min=-0.5, max=0.25> (x)", {"opset": 10}),
    "a swish in parts": ("s = Sigmoid (x)\n y = Mul (s, x)", {}),
    "a hard swish in parts": (
        "a = Add (x, t)\n c = Clip (a, z, s)\n m = Mul (x, c)\n y = Div (m, s)",
        {"t": np.float32(3), "z": np.float32(0), "s": np.float32(6)},
    ),
    "a hard swish of a hard sigmoid in parts": (
        "a = Add (x, t)\n c = Clip (a, z, s)\n d = Div (c, s)\n y = Mul (x, d)",
        {"t": np.float32(3), "z": np.float32(0), "s": np.float32(6)},
    ),
    "a mish in parts": ("s = Softplus (x)\n t = Tanh (s)\n y = Mul (x, t)", {}),
    "a gelu in parts, half of x first": (
        "g = Mul (x, h)\n d = Mul (x, r)\n e = Erf (d)\n a = Add (o, e)\n y = Mul (g, a)",
        {"r": np.float32(0.5**0.5), "o": np.float32(1), "h": np.float32(0.5)},
    ),
    "a gelu of a product": (
        "q = Mul (x, c)\n d = Div (q, r)\n e = Erf (d)\n a = Add (e, o)\n m = Mul (a, h)\n"
        " y = Mul (q, m)",
        {"c": (4, 1, 1), "r": np.float32(2**0.5), "o": np.float32(1), "h": np.float32(0.5)},
    ),
    "arithmetic with a number a channel": (
        "a = Add (x, c)\n b = Mul (a, d)\n e = Sub (c, b)\n y = Div (e, d)",
        {"c": (1, 4, 1, 1), "d": np.linspace(1, 2, 4, dtype="f").reshape(4, 1, 1)},
    ),
    "arithmetic with a number a row or a place": (
        "a = Add (x, r)\n b = Mul (a, p)\n y = Add (b, s)",
        {"r": (8, 1), "p": (4, 8, 7), "s": (1, 1, 1, 7)},
    ),
    "a number a row, of as many as channels": (
        "p = Conv (x, w)\n y = Add (p, r)",
        {"w": (8, 4, 1, 1), "r": (8, 1)},
    ),
    "a number a column, of as many as rows": (
        "p = Conv (x, w)\n y = Add (p, r)",
        {"w": (3, 4, 1, 2), "r": (1, 6), "image": (4, 6, 7)},
    ),
    "a scale that is computed of a shape": (
        "s = Shape (x)\n c = Gather (s, i)\n f = Cast <to=1> (c)\n p = Pow (f, h)\n y = Mul (x, p)",
        {"i": np.array(1), "h": np.float32(-0.5)},
    ),
    "arithmetic of tensors": (
        "a = Relu (x)\n b = Add (x, a)\n c = Exp (a)\n d = Div (b, c)\n e = Sub (d, a)\n"
        " y = Mul (e, x)",
        {},
    ),
    "a number less a tensor": ("a = Sub (o, x)\n y = Div (o, a)", {"o": np.float32(9)}),
    "the larger and the smaller": (
        "a = Max (x, c)\n b = Min (a, d)\n e = Neg (x)\n y = Max (b, e)",
        {"c": np.float32(-0.5), "d": np.float32(0.5)},
    ),
    "a sum of three": ("a = Relu (x)\n y = Sum (x, a, c)", {"c": (4, 1, 1)}),
    "powers": (
        "a = Pow (x, t)\n b = Add (a, o)\n c = Pow (b, h)\n y = Pow (c, u)",
        {"t": np.float32(2), "o": np.float32(1), "h": np.float32(0.5), "u": np.float32(1.5)},
    ),
    "a root and a logarithm": (
        "a = Abs (x)\n b = Add (a, o)\n c = Sqrt (b)\n y = Log (c)",
        {"o": np.float32(1)},
    ),
    "a mean by an input": ("y = ReduceMean (x, a)", {"a": np.array([-1, 2]), "opset": 18}),
    "a mean of channels": ("y = ReduceMean <axes=[1], keepdims=0> (x)", {}),
    "a mean of all": ("y = ReduceMean <axes=[1,2,3]> (x)", {}),
    "sums": (
        "a = ReduceSum (x, i)\n b = ReduceMax <axes=[2,3]> (x)\n c = ReduceL2 <axes=[2,3]> (x)\n"
        " d = ReduceMin <axes=[3]> (x)\n e = Add (a, b)\n f = Add (e, c)\n y = Mul (d, f)",
        {"i": np.array([2, 3])},
    ),
    "ones around": (
        "y = Pad (x, p, v)",
        {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1]), "v": np.float32(1)},
    ),
    "more channels of zeros": ("y = Pad (x, p)", {"p": np.array([0, 2, 0, 0, 0, 1, 0, 0])}),
    "less around": ("y = Pad (x, p)", {"p": np.array([0, 0, -1, -2, 0, 0, 0, -1])}),
    "pads of an attribute": ("y = Pad <pads=[0,0,1,1,0,0,1,1]> (x)", {"opset": 10}),
    "reflected": (
        'y = Pad <mode="reflect"> (x, p)',
        {"p": np.array([0, 0, 2, 3, 0, 0, 1, 6])},
    ),
    "the edge again": ('y = Pad <mode="edge"> (x, p)', {"p": np.array([0, 0, 1, 3, 0, 0, 0, 2])}),
    "a row into a matrix": ("f = Flatten (x)\n y = MatMul (f, w)", {"w": (224, 3)}),
    "a dense layer": (
        "f = Flatten (x)\n y = Gemm <transB=1> (f, w, b)",
        {"w": (3, 224), "b": (3,)},
    ),
    "a dense layer of other factors": (
        "f = Flatten (x)\n y = Gemm <alpha=0.5, beta=2.0> (f, w, b)",
        {"w": (224, 3), "b": (1, 3)},
    ),
    "a matrix on the left": ("y = MatMul (w, x)", {"w": (5, 8)}),
    "one number for all columns": (
        "p = MatMul (x, w)\n y = Add (p, b)",
        {"w": (7, 5), "b": (1,)},
    ),
    "a normalization after a convolution": (
        "p = Conv <group=4> (x, w, b)\n q = Sub (p, m)\n d = Cast <to=1> (q)\n r = Div (d, v)\n"
        " s = Mul (g, r)\n y = Add (s, c)",
        {"w": (8, 1, 1, 2), "b": (8,), "m": (8, 1, 1), "g": (1, 8, 1, 1), "c": (8, 1, 1)}
        | {"v": np.linspace(1, 2, 8, dtype="f").reshape(8, 1, 1)},
    ),
    "a row after a matrix": (
        "p = MatMul (x, w)\n q = Mul (p, a)\n r = Identity (q)\n s = Add (r, a)\n y = Sub (a, s)",
        {"w": (7, 5), "a": (5,)},
    ),
    "a bias after a convolution that another wants": (
        "p = Conv (x, w)\n q = Add (p, b)\n y = Mul (p, q)",
        {"w": (5, 4, 1, 1), "b": (1, 5, 1, 1)},
    ),
    "two tensors": ("t = Transpose <perm=[0,1,3,2]> (x)\n y = MatMul (x, t)", {}),
    "attention in parts": (
        "r = Reshape (x, s)\n t = Transpose <perm=[0,2,1]> (r)\n q = MatMul (t, w)\n"
        " m = MatMul (q, r)\n a = Softmax <axis=-1> (m)\n y = MatMul (a, t)",
        {"s": np.array([0, 4, -1]), "w": (4, 4)},
    ),
    "einsum": (
        'a = Einsum <equation="bchw,bdhw->bcd"> (x, x)\n'
        ' y = Einsum <equation="bcd,dk->bck"> (a, w)',
        {"w": (4, 5)},
    ),
    "einsum by other letters": ('y = Einsum <equation="bCHw,bChw->bhHC"> (x, x)', {}),
    "attention in one": (
        "q = Transpose <perm=[0,1,3,2]> (x)\n y = Attention (q, q, q)",
        {"opset": 23},
    ),
    "softmax": ("a = Softmax <axis=1> (x)\n y = Mul (a, x)", {}),
    "softmax of old": ("a = Softmax <axis=2> (x)\n y = Mul (a, x)", {"opset": 11}),
    "softmax of old without an axis": ("a = Softmax (x)\n y = Mul (a, x)", {"opset": 11}),
    "the logarithm of a softmax": ("a = LogSoftmax (x)\n y = Mul (a, x)", {}),
    "layer normalization": (
        "y = LayerNormalization (x, g, b)",
        {"g": (7,), "b": (7,)},
    ),
    "layer normalization in parts": (
        "m = ReduceMean <axes=[1]> (x)\n d = Sub (x, m)\n p = Pow (d, t)\n"
        " v = ReduceMean <axes=[1]> (p)\n e = Add (v, s)\n r = Sqrt (e)\n n = Div (d, r)\n"
        " g = Mul (n, w)\n y = Add (g, w)",
        {"t": np.float32(2), "s": np.float32(1e-5), "w": (4, 1, 1)},
    ),
    "instance normalization": ("y = InstanceNormalization (x, g, b)", {"g": (4,), "b": (4,)}),
    "group normalization as PyTorch writes it": (
        "r = Reshape (x, s)\n n = InstanceNormalization (r, o, z)\n c = Shape (x)\n"
        " y = Reshape (n, c)",
        {"s": np.array([0, 2, -1]), "o": np.ones(2, "f"), "z": np.zeros(2, "f")},
    ),
    "normalization of all numbers at once": (
        "r = Reshape (x, s)\n n = InstanceNormalization (r, o, z)\n c = Shape (x)\n"
        " y = Reshape (n, c)",
        {"s": np.array([0, 1, -1]), "o": np.ones(1, "f"), "z": np.zeros(1, "f")},
    ),
    "group normalization": (
        "y = GroupNormalization <num_groups=2> (x, g, b)",
        {"g": (4,), "b": (4,), "opset": 21},
    ),
    "channels behind each other": (
        "a = Relu (x)\n b = Neg (x)\n y = Concat <axis=1> (a, b, x)",
        {},
    ),
    "rows behind each other": ("a = Relu (x)\n y = Concat <axis=-2> (a, x)", {}),
    "the same again": ("y = Tile (x, r)", {"r": np.array([1, 2, 1, 3])}),
    "a convolution of what is the same for all images": (
        "c = Conv (k, w)\n y = Add (x, c)",
        {"k": (1, 2, 8, 7), "w": (4, 2, 1, 1)},
    ),
    "a standardized kernel": (
        "n, m, v = BatchNormalization <training_mode=1> (w, o, z, z, o)\n y = Conv (x, n)",
        {"w": (3, 4, 2, 2), "o": np.ones(4, "f"), "z": np.zeros(4, "f")},
    ),
    "parts": ("a, b = Split <axis=1> (x)\n c = Relu (a)\n y = Concat <axis=1> (b, c)", {}),
    "parts by an attribute": (
        "a, b = Split <axis=1, split=[1,3]> (x)\n y = Concat <axis=1> (b, a)",
        {"opset": 11},
    ),
    "parts, counted": (
        "a, b, c = Split <axis=2, num_outputs=3> (x)\n y = Concat <axis=2> (c, b, a)",
        {"opset": 18},
    ),
    "slices": (
        "y = Slice (x, s, e, a, t)",
        {
            "s": np.array([1, -1]),
            "e": np.array([2**62, -(2**62)]),
            "a": np.array([2, 1]),
            "t": np.array([2, -1]),
        },
    ),
    "slices by attributes": ("y = Slice <axes=[1], starts=[1], ends=[-1]> (x)", {"opset": 9}),
    "one row": ("y = Gather <axis=2> (x, i)", {"i": np.array(-1)}),
    "channels the other way round": ("y = Gather <axis=1> (x, i)", {"i": np.array([2, 1, 0])}),
    "channels in disorder": ("y = Gather <axis=1> (x, i)", {"i": np.array([2, 0, 1, 3, 3])}),
    "all axes turned round": ("a = Transpose (x)\n y = Transpose <perm=[3,1,0,2]> (a)", {}),
    "a shape that parts no axes": ("y = Reshape (x, s)", {"s": np.array([1, 16, 14])}),
    "a shape across the axes": (
        "a = Reshape (x, s)\n b = Softmax <axis=1> (a)\n y = Mul (a, b)",
        {"s": np.array([1, 14, 16])},
    ),
    "axes of one number": (
        "a = ReduceMean <axes=[2]> (x)\n b = Squeeze (a, i)\n c = Unsqueeze (b, j)\n"
        " y = Add (c, x)",
        {"i": np.array([2]), "j": np.array([2])},
    ),
    "depth to space": ("y = DepthToSpace <blocksize=2> (x)", {}),
    "depth to space by columns": ('y = DepthToSpace <blocksize=2, mode="CRD"> (x)', {}),
    "space to depth": (
        "a = Pad (x, p)\n y = SpaceToDepth <blocksize=2> (a)",
        {"p": np.array([0, 0, 0, 0, 0, 0, 0, 1])},
    ),
    "twice as large": (
        'y = Resize <coordinate_transformation_mode="asymmetric", nearest_mode="floor"> (x, , s)',
        {"s": np.array([1, 1, 2, 3], "f")},
    ),
    "of another size": (
        'y = Resize <mode="linear", coordinate_transformation_mode="pytorch_half_pixel">'
        " (x, , , s)",
        {"s": np.array([1, 4, 5, 11])},
    ),
    "of another size, corners kept": (
        'y = Resize <mode="linear", coordinate_transformation_mode="align_corners"> (x, , , s)',
        {"s": np.array([1, 4, 12, 9])},
    ),
    "by cubes": ('y = Resize <mode="cubic"> (x, , s)', {"s": np.array([1, 1, 1.5, 2], "f")}),
    "to the nearest": ("y = Resize (x, , s)", {"s": np.array([1, 1, 0.6, 1.7], "f")}),
    "upsampled of old": (
        'y = Upsample <mode="linear", scales=[1.0,1.0,2.0,2.0]> (x)',
        {"opset": 7},
    ),
    "to a larger shape": (
        "a = ReduceMean <axes=[1]> (x)\n b = Expand (a, s)\n y = Mul (b, c)",
        {"s": np.array([1, 3, 8, 7]), "c": (3, 1, 1)},
    ),
    "dropout and casts": ("a = Dropout (x)\n b = Cast <to=1> (a)\n y = Relu (b)", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_computes_what_onnxruntime_computes(name: str, tmp_path: Path) -> None:
    body, options = CASES[name]
    path = tmp_path / "network.onnx"
    options = {"image": IMAGE, **options}
    onnx.save(model(body, **options), path)
    network = read_onnx(path)
    given = images(*options["image"])
    expected = by_onnxruntime(path, given)
    found = network.model.predict_on_batch(given.transpose(0, 2, 3, 1))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5 * max(1.0, float(np.ptp(expected)))
    _check_may_be_saved(network.model)


def _check_may_be_saved(network: Any) -> None:
    """Make sure that a `.keras` file of the network would be read, as far as its layers go."""
    import keras

    clean_model(json.loads(json.dumps(keras.saving.serialize_keras_object(network))))
