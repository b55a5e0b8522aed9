"""Each operator computes what the LiteRT interpreter computes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kextract.foreign.network import read_tflite
from kextract.foreign.tflite.operators import WRITERS
from tests.foreign.outputs import outputs_of
from tests.foreign.tflite.networks import Writer, by_litert, images


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


SAME, VALID = 0, 1
Case = Callable[[Writer], int]


def convolved(w: Writer, *, kernel: tuple[int, ...] = (4, 3, 3, 3), **options: Any) -> int:
    values = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, **options}
    inputs = (0, w.constant(normal(*kernel)), w.constant(normal(kernel[0])))
    return w.add("CONV_2D", *inputs, options="Conv2DOptions", **values)


def depthwise(w: Writer, *, multiplier: int = 1, **options: Any) -> int:
    values = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, **options}
    kernel = w.constant(normal(1, 3, 3, 3 * multiplier))
    bias = w.constant(normal(3 * multiplier))
    options_type = "DepthwiseConv2DOptions"
    return w.add(
        "DEPTHWISE_CONV_2D",
        0,
        kernel,
        bias,
        options=options_type,
        depthMultiplier=multiplier,
        **values,
    )


def pooled(w: Writer, kind: str, **options: Any) -> int:
    values = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, **options}
    return w.add(kind, 0, options="Pool2DOptions", **values)


def backwards(
    w: Writer, shape: tuple[int, ...], padding: int, size: int = 3, *, computed: bool = False
) -> int:
    sizes = w.constant(whole(*shape))
    if computed:
        first = w.add("SHAPE", 0, made=w.tensor(kind="int32"), options="ShapeOptions", outType=2)
        ends = w.constant(whole(0)), w.constant(whole(1))
        batch = w.add("SLICE", first, *ends, made=w.tensor(kind="int32"))
        parts = (batch, w.constant(whole(*shape[1:])))
        made = w.tensor(kind="int32")
        sizes = w.add("CONCATENATION", *parts, made=made, options="ConcatenationOptions")
    inputs = (sizes, w.constant(normal(shape[3], size, size, 3)), 0)
    # Shapes that are computed are in the file as they were for the images of the converter.
    made = w.tensor(shape)
    values = {"padding": padding, "strideH": 2, "strideW": 2}
    return w.add("TRANSPOSE_CONV", *inputs, made=made, options="TransposeConvOptions", **values)


def connected(w: Writer, *, kept: bool = False) -> int:
    inputs = (0, w.constant(normal(5, 3)), w.constant(normal(5)))
    return w.add("FULLY_CONNECTED", *inputs, options="FullyConnectedOptions", keepNumDims=kept)


def of_positive(w: Writer, kind: str, options: str = "") -> int:
    positive = w.add("ADD", 0, w.constant(normal(1) * 0 + 3), options="AddOptions")
    return w.add(kind, positive, options=options)


def by_its_own_shape(w: Writer) -> int:
    """As converters write Flatten where the batch is open."""
    ends = [w.constant(whole(number)) for number in (0, 1, 1)]
    shape = w.add("SHAPE", 0, made=w.tensor(kind="int32"), options="ShapeOptions", outType=2)
    first = w.add(
        "STRIDED_SLICE",
        shape,
        *ends,
        made=w.tensor(kind="int32"),
        options="StridedSliceOptions",
        shrinkAxisMask=1,
    )
    rest = w.constant(np.array(-1, np.int32))
    target = w.add(
        "PACK", first, rest, made=w.tensor(kind="int32"), options="PackOptions", valuesCount=2
    )
    return w.add("RESHAPE", 0, target)


def sliced(w: Writer, begin: Any, end: Any, step: Any, **masks: int) -> int:
    places = [w.constant(whole(*each)) for each in (begin, end, step)]
    return w.add("STRIDED_SLICE", 0, *places, options="StridedSliceOptions", **masks)


def split(w: Writer, sizes: tuple[int, ...] = ()) -> int:
    parts = [w.tensor() for _ in range(3)]
    axis = w.constant(np.array(3, np.int32))
    if sizes:
        w.add_parts(
            "SPLIT_V", [0, w.constant(whole(*sizes)), axis], parts, "SplitVOptions", numSplits=3
        )
    else:
        w.add_parts("SPLIT", [axis, 0], parts, "SplitOptions", numSplits=3)
    return w.add("SUB", parts[2], parts[0], options="SubOptions")


def resized(w: Writer, kind: str, *, aligned: bool = False, half: bool = False) -> int:
    options = (
        "ResizeBilinearOptions" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    )
    size = w.constant(whole(13, 11))
    return w.add(kind, 0, size, options=options, alignCorners=aligned, halfPixelCenters=half)


def multiplied(w: Writer, *, turned: bool = False) -> int:
    other = w.constant(normal(1, 7, 4, 6) if turned else normal(1, 7, 6, 4))
    image = w.add("TRANSPOSE", 0, w.constant(whole(0, 1, 3, 2)))
    return w.add("BATCH_MATMUL", image, other, options="BatchMatMulOptions", adjY=turned)


def dealt(w: Writer) -> int:
    """A dilated convolution, as converters write it."""
    block, pads = w.constant(whole(2, 3)), np.array([[2, 3], [3, 3]], np.int32)
    apart = w.add("SPACE_TO_BATCH_ND", 0, block, w.constant(pads))
    kernel = w.constant(normal(4, 3, 3, 3))
    options = {"padding": VALID, "strideH": 1, "strideW": 1, "fusedActivationFunction": 1}
    options |= {"dilationHFactor": 1, "dilationWFactor": 1}
    made = w.add(
        "CONV_2D", apart, kernel, w.constant(normal(4)), options="Conv2DOptions", **options
    )
    crops = w.constant(np.array([[0, 1], [0, 0]], np.int32))
    return w.add("BATCH_TO_SPACE_ND", made, block, crops)


def padded(w: Writer, kind: str, *more: int, **options: Any) -> int:
    pads = np.array([[0, 0], [1, 2], [2, 0], [0, 0]], np.int32)
    return w.add(kind, 0, w.constant(pads), *more, **options)


def alone(kind: str) -> Case:
    return lambda w: w.add(kind, 0)


def arithmetic(kind: str, other: NDArray[np.float32] | None, activation: int = 0) -> Case:
    def case(w: Writer) -> int:
        second = w.constant(other) if other is not None else w.add("TANH", 0)
        options = f"{kind.capitalize()}Options"
        return w.add(kind, 0, second, options=options, fusedActivationFunction=activation)

    return case


def reduced(kind: str, *axes: int, kept: bool = False) -> Case:
    return lambda w: w.add(
        kind, 0, w.constant(whole(*axes)), options="ReducerOptions", keepDims=kept
    )


CASES: dict[str, Case] = {
    "convolution, valid, strided": lambda w: convolved(w, padding=VALID, strideH=2, strideW=3),
    "convolution, dilated": lambda w: convolved(
        w, padding=SAME, dilationHFactor=2, dilationWFactor=2
    ),
    "convolution, same, strided": lambda w: convolved(w, strideH=2, strideW=2),
    "convolution in groups": lambda w: convolved(w, kernel=(6, 3, 3, 1)),
    "convolution, ReLU": lambda w: convolved(w, fusedActivationFunction=1),
    "convolution, -1 to 1": lambda w: convolved(w, fusedActivationFunction=2),
    "convolution, ReLU6": lambda w: convolved(w, fusedActivationFunction=3),
    "convolution, dilated by hand": dealt,
    "depthwise, twice as many, strided": lambda w: depthwise(w, multiplier=2, strideH=2, strideW=2),
    "backwards, same, odd": lambda w: backwards(w, (1, 13, 11, 4), SAME),
    "backwards, same, small": lambda w: backwards(w, (1, 14, 12, 4), SAME, size=1),
    "backwards, valid": lambda w: backwards(w, (1, 15, 13, 4), VALID),
    "backwards, to a shape that is computed": lambda w: backwards(
        w, (1, 14, 12, 4), SAME, computed=True
    ),
    "means of windows": lambda w: pooled(w, "AVERAGE_POOL_2D", padding=SAME, filterHeight=3),
    "largest of windows, same": lambda w: pooled(w, "MAX_POOL_2D", filterWidth=3),
    "matrix": connected,
    "matrix, axes kept": lambda w: connected(w, kept=True),
    "product of tensors": multiplied,
    "product of tensors, turned": lambda w: multiplied(w, turned=True),
    "sum with a channel's": arithmetic("ADD", normal(3)),
    "sum with a number, ReLU": arithmetic("ADD", normal(1), 1),
    "sum of tensors, ReLU6": arithmetic("ADD", None, 3),
    "difference from a row": arithmetic("SUB", normal(1, 6, 1)),
    "difference of tensors": arithmetic("SUB", None),
    "product with places": arithmetic("MUL", normal(1, 7, 6, 1)),
    "product of two": arithmetic("MUL", None),
    "quotient": arithmetic("DIV", normal(3) + 5),
    "larger": lambda w: w.add("MAXIMUM", 0, w.constant(normal(1))),
    "smaller": lambda w: w.add("MINIMUM", 0, w.add("TANH", 0)),
    "power": lambda w: w.add("POW", 0, w.constant(normal(1) * 0 + 2)),
    **{
        kind: alone(kind)
        for kind in (
            *("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "HARD_SWISH", "ELU"),
            *("LOG_SOFTMAX", "EXP", "ABS", "SQUARE"),
        )
    },
    "leaky": lambda w: w.add("LEAKY_RELU", 0, options="LeakyReluOptions", alpha=0.3),
    "leaky by channel": lambda w: w.add("PRELU", 0, w.constant(np.abs(normal(1, 1, 3)))),
    "GELU": lambda w: w.add("GELU", 0, options="GeluOptions"),
    "GELU by tanh": lambda w: w.add("GELU", 0, options="GeluOptions", approximate=True),
    "sigmoid in the middle": lambda w: w.add("NEG", w.add("LOGISTIC", 0)),
    "softmax of channels": lambda w: w.add("SOFTMAX", 0, options="SoftmaxOptions", beta=1.0),
    "softmax, sharper": lambda w: w.add("SOFTMAX", 0, options="SoftmaxOptions", beta=2.0),
    "root": lambda w: of_positive(w, "SQRT"),
    "one over the root": lambda w: of_positive(w, "RSQRT"),
    "logarithm": lambda w: of_positive(w, "LOG"),
    "squared difference": lambda w: w.add("SQUARED_DIFFERENCE", 0, w.constant(normal(3))),
    "mean of an image": reduced("MEAN", 1, 2),
    "mean of an image, kept": reduced("MEAN", 1, 2, kept=True),
    "mean of channels": reduced("MEAN", -1),
    "sum of rows": reduced("SUM", 1),
    "largest of an image": reduced("REDUCE_MAX", 1, 2),
    "reshape by itself": by_its_own_shape,
    "reshape by options": lambda w: w.add(
        "RESHAPE", 0, options="ReshapeOptions", newShape=[1, 126]
    ),
    "squeeze": lambda w: w.add(
        "SQUEEZE", reduced("MEAN", 1, kept=True)(w), options="SqueezeOptions", squeezeDims=[1]
    ),
    "expand": lambda w: w.add("EXPAND_DIMS", 0, w.constant(whole(1))),
    "broadcast": lambda w: w.add(
        "BROADCAST_TO", reduced("MEAN", 1, kept=True)(w), w.constant(whole(1, 4, 6, 3))
    ),
    "repeat": lambda w: w.add("TILE", 0, w.constant(whole(1, 2, 1, 3))),
    "transpose": lambda w: w.add("TRANSPOSE", 0, w.constant(whole(0, 3, 1, 2))),
    "concatenation": lambda w: w.add(
        "CONCATENATION", 0, w.add("TANH", 0), options="ConcatenationOptions", axis=3
    ),
    "split": split,
    "split into": lambda w: split(w, (1, 1, 1)),
    "gather": lambda w: w.add(
        "GATHER", 0, w.constant(whole(2, 0)), options="GatherOptions", axis=3
    ),
    "pad": lambda w: padded(w, "PAD"),
    "pad by a number": lambda w: padded(w, "PADV2", w.constant(normal(1).reshape(()))),
    "mirrored": lambda w: padded(w, "MIRROR_PAD", options="MirrorPadOptions"),
    "slice": lambda w: w.add(
        "SLICE", 0, w.constant(whole(0, 1, 2, 0)), w.constant(whole(1, 3, -1, 2))
    ),
    "strided slice, backwards": lambda w: sliced(
        w, (0, 0, 5, 0), (1, 7, 1, 3), (1, 1, -2, 1), beginMask=2
    ),
    "strided slice, an axis less": lambda w: sliced(
        w, (0, 0, -1, 0), (1, 7, 0, 3), (1, 1, 1, 1), shrinkAxisMask=4
    ),
    "resize": lambda w: resized(w, "RESIZE_BILINEAR"),
    "resize, half pixels": lambda w: resized(w, "RESIZE_BILINEAR", half=True),
    "resize, corners": lambda w: resized(w, "RESIZE_BILINEAR", aligned=True),
    "resize, nearest": lambda w: resized(w, "RESIZE_NEAREST_NEIGHBOR"),
    "resize, nearest, corners": lambda w: resized(w, "RESIZE_NEAREST_NEIGHBOR", aligned=True),
    "neighbouring channels": lambda w: w.add(
        "LOCAL_RESPONSE_NORMALIZATION",
        0,
        options="LocalResponseNormalizationOptions",
        radius=1,
        bias=1.5,
        alpha=0.3,
        beta=0.75,
    ),
    "kept in a range": lambda w: w.add(
        "FAKE_QUANT", 0, options="FakeQuantOptions", min=-100.0, max=100.0, numBits=16
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_gives_what_litert_gives(case: str, tmp_path: Path) -> None:
    writer = Writer((7, 6, 3))
    path = writer.save(tmp_path / "n.tflite", writer.rows(CASES[case](writer)))
    given = images(7, 6, 3) * 3
    expected = by_litert(path, given)
    found = outputs_of(read_tflite(path), given)
    atol = 0.01 if case == "kept in a range" else 2e-5
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("kind", ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"])
def test_blocks_are_put_where_litert_puts_them(kind: str, tmp_path: Path) -> None:
    writer = Writer((6, 4, 12))
    options = "DepthToSpaceOptions" if kind.startswith("DEPTH") else "SpaceToDepthOptions"
    made = writer.add(kind, 0, options=options, blockSize=2)
    path = writer.save(tmp_path / "n.tflite", writer.rows(made))
    given = images(6, 4, 12)
    np.testing.assert_array_equal(outputs_of(read_tflite(path), given), by_litert(path, given))


def test_all_operators_that_are_read_are_tried_here_or_in_whole_networks() -> None:
    made: set[str] = set()

    class Recorder(Writer):
        def add_parts(self, kind: str, *rest: Any, **options: Any) -> None:
            made.add(kind)
            super().add_parts(kind, *rest, **options)

    for case in CASES.values():
        case(Recorder((7, 6, 3)))
    others = {"QUANTIZE", "DEQUANTIZE", "CAST", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"}
    assert set(WRITERS) <= made | others


def all_kinds(path: Path) -> Path:
    """Write a network of operators of every kind, for files that are damaged."""
    w = Writer((7, 6, 3))
    parts = [
        convolved(w, strideH=2),
        depthwise(w),
        pooled(w, "AVERAGE_POOL_2D"),
        resized(w, "RESIZE_BILINEAR"),
        sliced(w, (0, 1, 0, 0), (1, 7, 6, 3), (1, 2, 1, 1)),
        w.add("SOFTMAX", 0, options="SoftmaxOptions", beta=1.0),
    ]
    axes = w.constant(whole(1, 2))
    means = [w.add("MEAN", part, axes, options="ReducerOptions") for part in parts]
    rows = [*means, by_its_own_shape(w)]
    return w.save(path, w.add("CONCATENATION", *rows, options="ConcatenationOptions", axis=1))
