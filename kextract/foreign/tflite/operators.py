"""One function per operator of TFLite, or for several that are alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kextract.errors import NotRead, Refused
from kextract.foreign.tflite.writing import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    Array,
    Operator,
    number,
    whole,
    writes,
)

MAX_COPIES = 64
_SAME = 0
_END = 1 << 31
_INT64 = 7


@writes("CONV_2D", options="Conv2DOptions")
def _convolution(op: Operator) -> None:
    kernel = op.constant(1, rank=4).transpose(0, 3, 1, 2)
    _convolved(op, kernel, group=op.tensor(rank=4).shape[3] // max(kernel.shape[1], 1))


@writes("DEPTHWISE_CONV_2D", options="DepthwiseConv2DOptions")
def _depthwise_convolution(op: Operator) -> None:
    kernel = op.constant(1, rank=4).transpose(3, 0, 1, 2)
    _convolved(op, kernel, group=op.tensor(rank=4).shape[3])


def _convolved(op: Operator, kernel: Array, *, group: int) -> None:
    blocks, padding = op.blocks(), _padding(op)
    strides = (op.option("StrideH"), op.option("StrideW"))
    dilations = (op.option("DilationHFactor"), op.option("DilationWFactor"))
    if blocks != (1, 1):
        if padding != "VALID" or strides != (1, 1) or dilations != (1, 1):
            raise NotRead("takes every other row with pads or strides, which is not read")
        op.set_blocks(blocks)
        dilations = blocks
    _of_images(
        op,
        "Conv",
        np.ascontiguousarray(kernel),
        *op.biases(2, kernel=1),
        group=group,
        strides=strides,
        dilations=dilations,
        auto_pad=padding,
    )


@writes("SPACE_TO_BATCH_ND")
def _deal(op: Operator) -> None:
    """Deal rows and columns to several images: a dilated convolution, as converters write it.

    The images stay together here, and the convolution is dilated again.
    """
    rows, columns = op.sizes(1)
    if min(rows, columns) < 1 or op.blocks() != (1, 1):
        raise Refused("deals rows and columns to no images, or twice")
    pads = _of_sides(op.sizes(2))
    _of_images(op, "Pad", whole(pads), activated=False)
    op.set_blocks((rows, columns))


@writes("BATCH_TO_SPACE_ND")
def _collect(op: Operator) -> None:
    if op.blocks() != tuple(op.sizes(1)):
        raise NotRead("collects rows and columns that were dealt otherwise, which is not read")
    _of_images(op, "Pad", whole([-crop for crop in _of_sides(op.sizes(2))]), activated=False)


def _of_sides(ends: Sequence[int]) -> list[int]:
    """Give (before, after) of rows and of columns as ONNX pads an image, channels first."""
    top, bottom, left, right = ends
    return [0, 0, top, left, 0, 0, bottom, right]


@writes("TRANSPOSE_CONV", options="TransposeConvOptions")
def _backward_convolution(op: Operator) -> None:
    kernel = op.constant(1, rank=4)
    sizes = op.sizes(0) if op.tensor(0).data is not None else op.made_sizes()
    if len(sizes) != 4:
        raise Refused(f"makes a tensor of {len(sizes)} axes")
    strides = (op.option("StrideH"), op.option("StrideW"))
    before, after, missing = [], [], []
    for axis, stride in enumerate(strides, 1):
        full = (op.tensor(2, rank=4).shape[axis] - 1) * stride + kernel.shape[axis]
        pads = max(full - sizes[axis], 0)
        before.append(pads // 2)
        after.append(pads - pads // 2)
        missing.append(max(sizes[axis] - full, 0))
    _of_images(
        op,
        "ConvTranspose",
        np.ascontiguousarray(kernel.transpose(3, 0, 1, 2)),
        *op.biases(3, kernel=1),
        taken=2,
        strides=strides,
        pads=(*before, *after),
        output_padding=tuple(missing),
    )


@writes("AVERAGE_POOL_2D", "MAX_POOL_2D", options="Pool2DOptions")
def _pool(op: Operator) -> None:
    _of_images(
        op,
        "AveragePool" if op.kind.startswith("AVERAGE") else "MaxPool",
        kernel_shape=(op.option("FilterHeight"), op.option("FilterWidth")),
        strides=(op.option("StrideH"), op.option("StrideW")),
        auto_pad=_padding(op),
    )


@writes("DEPTH_TO_SPACE", options="DepthToSpaceOptions")
@writes("SPACE_TO_DEPTH", options="SpaceToDepthOptions")
def _blocks(op: Operator) -> None:
    name = "DepthToSpace" if op.kind.startswith("DEPTH") else "SpaceToDepth"
    _of_images(op, name, activated=False, blocksize=int(op.option("BlockSize")))


@writes("LOCAL_RESPONSE_NORMALIZATION", options="LocalResponseNormalizationOptions")
def _local_response(op: Operator) -> None:
    size = 2 * int(op.option("Radius")) + 1
    _of_images(
        op,
        "LRN",
        activated=False,
        size=size,
        # ONNX divides by the number of neighbours.
        alpha=float(op.option("Alpha")) * size,
        beta=float(op.option("Beta")),
        bias=float(op.option("Bias")),
    )


def _of_images(
    op: Operator,
    name: str,
    *constants: str | Array,
    taken: int = 0,
    activated: bool = True,
    **attributes: Any,
) -> None:
    """Write a node that sees images channels first."""
    op.tensor(taken, rank=4)
    images = op.add("Transpose", op.given(taken), perm=TO_CHANNELS_FIRST)
    result = op.add(name, images, *constants, **attributes)
    if activated:
        op.finish(op.add("Transpose", result, perm=TO_CHANNELS_LAST))
    else:
        op.add("Transpose", result, perm=TO_CHANNELS_LAST, last=True)


def _padding(op: Operator) -> str:
    return "SAME_UPPER" if op.option("Padding") == _SAME else "VALID"


@writes("FULLY_CONNECTED", options="FullyConnectedOptions")
def _dense(op: Operator) -> None:
    weights = op.constant(1, rank=2)
    given, shape = op.given(), op.tensor().shape
    if op.option("WeightsFormat", 0):
        raise NotRead("has shuffled weights, which are not read")
    if len(shape) != 2 and not op.option("KeepNumDims", False):
        given = op.add("Reshape", given, whole([-1, weights.shape[1]]))
    result = op.add("MatMul", given, np.ascontiguousarray(weights.T))
    biases = op.biases(2, kernel=1)
    op.finish(op.add("Add", result, *biases) if biases else result)


@writes("BATCH_MATMUL", options="BatchMatMulOptions")
def _product(op: Operator) -> None:
    factors = []
    for place, turned in enumerate((op.option("AdjX"), op.option("AdjY"))):
        factor, rank = op.given(place), len(op.tensor(place).shape)
        if turned:
            order = (*range(rank - 2), rank - 1, rank - 2)
            factor = op.add("Transpose", factor, perm=order)
        factors.append(factor)
    op.add("MatMul", *factors, last=True)


@writes("ADD", options="AddOptions")
@writes("SUB", options="SubOptions")
@writes("MUL", options="MulOptions")
@writes("DIV", options="DivOptions")
def _arithmetic(op: Operator) -> None:
    op.finish(op.add(op.kind.capitalize(), op.given(0), op.given(1)))


_OF_TWO = {"MAXIMUM": "Max", "MINIMUM": "Min", "POW": "Pow"}


@writes(*_OF_TWO)
def _of_two(op: Operator) -> None:
    op.add(_OF_TWO[op.kind], op.given(0), op.given(1), last=True)


_OF_ONE = {
    **{"RELU": "Relu", "LOGISTIC": "Sigmoid", "TANH": "Tanh", "HARD_SWISH": "HardSwish"},
    **{"EXP": "Exp", "SQRT": "Sqrt", "NEG": "Neg", "ABS": "Abs", "LOG": "Log", "ELU": "Elu"},
    **{"QUANTIZE": "Identity", "DEQUANTIZE": "Identity", "SHAPE": "Shape"},
}


@writes(*_OF_ONE)
def _number_by_number(op: Operator) -> None:
    op.add(_OF_ONE[op.kind], op.given(), last=True)


@writes("CAST")
def _cast(op: Operator) -> None:
    if op.made().is_integer and not op.tensor().is_integer:
        op.add("Cast", op.given(), to=_INT64, last=True)
    else:
        op.add("Identity", op.given(), last=True)


@writes("SQUARE")
def _square(op: Operator) -> None:
    op.add("Mul", op.given(), op.given(), last=True)


@writes("RSQRT")
def _inverse_root(op: Operator) -> None:
    op.add("Reciprocal", op.add("Sqrt", op.given()), last=True)


@writes("SQUARED_DIFFERENCE")
def _squared_difference(op: Operator) -> None:
    difference = op.add("Sub", op.given(0), op.given(1))
    op.add("Mul", difference, difference, last=True)


_ENDS = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


@writes(*_ENDS)
def _clipped(op: Operator) -> None:
    low, high = _ENDS[op.kind]
    op.add("Clip", op.given(), number(low), number(high), last=True)


@writes("FAKE_QUANT", options="FakeQuantOptions")
def _fake_quantized(op: Operator) -> None:
    low, high = float(op.option("Min")), float(op.option("Max"))
    op.add("Clip", op.given(), number(low), number(high), last=True)


@writes("LEAKY_RELU", options="LeakyReluOptions")
def _leaky(op: Operator) -> None:
    op.add("LeakyRelu", op.given(), alpha=float(op.option("Alpha")), last=True)


@writes("PRELU")
def _leaky_by_channel(op: Operator) -> None:
    op.add("PRelu", op.given(), op.constant(1), last=True)


@writes("GELU", options="GeluOptions")
def _gelu(op: Operator) -> None:
    approximate = "tanh" if op.option("Approximate", False) else "none"
    op.add("Gelu", op.given(), approximate=approximate, last=True)


@writes("SOFTMAX", options="SoftmaxOptions")
def _softmax(op: Operator) -> None:
    given, beta = op.given(), float(op.option("Beta"))
    if beta != 1.0:
        given = op.add("Mul", given, number(beta))
    op.add("Softmax", given, axis=-1, last=True)


@writes("LOG_SOFTMAX")
def _log_softmax(op: Operator) -> None:
    op.add("LogSoftmax", op.given(), axis=-1, last=True)


_SUMS = {"MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_MAX": "ReduceMax"}


@writes(*_SUMS, options="ReducerOptions")
def _reduced(op: Operator) -> None:
    kept = int(op.option("KeepDims", False))
    op.add(_SUMS[op.kind], op.given(), whole(op.sizes(1)), keepdims=kept, last=True)


@writes("RESHAPE", options="ReshapeOptions")
def _reshape(op: Operator) -> None:
    if op.has(1):
        shape: str | Array = op.given(1)
    elif op.options and not op.options.NewShapeIsNone():
        shape = whole(_listed(op.options.NewShapeAsNumpy()))
    else:
        raise Refused("does not say which shape it makes")
    op.add("Reshape", op.given(), shape, allowzero=1, last=True)


@writes("SQUEEZE", options="SqueezeOptions")
def _squeeze(op: Operator) -> None:
    axes = _listed(op.options.SqueezeDimsAsNumpy()) if op.options else []
    if not axes:
        axes = [axis for axis, size in enumerate(op.tensor().shape) if size == 1]
    op.add("Squeeze", op.given(), whole(axes), last=True)


def _listed(found: Any) -> list[int]:
    """List what the schema gives as an array, or as the number 0 where there is nothing."""
    return [int(size) for size in np.atleast_1d(found)[:64]] if not isinstance(found, int) else []


@writes("EXPAND_DIMS")
def _expand(op: Operator) -> None:
    op.add("Unsqueeze", op.given(), whole(op.sizes(1)), last=True)


@writes("BROADCAST_TO")
def _broadcast(op: Operator) -> None:
    op.add("Expand", op.given(), whole(op.sizes(1)), last=True)


@writes("TILE")
def _repeat(op: Operator) -> None:
    result, times = op.given(), op.sizes(1)
    if any(not 1 <= count <= MAX_COPIES for count in times):
        raise NotRead(f"repeats a tensor never, or more than {MAX_COPIES} times, which is not read")
    for axis, count in enumerate(times):
        if count > 1:
            result = op.add("Concat", *[result] * count, axis=axis)
    op.add("Identity", result, last=True)


@writes("TRANSPOSE")
def _transpose(op: Operator) -> None:
    op.add("Transpose", op.given(), perm=tuple(op.sizes(1)), last=True)


@writes("CONCATENATION", options="ConcatenationOptions")
def _concatenation(op: Operator) -> None:
    parts = [op.given(place) for place in range(op.count)]
    op.finish(op.add("Concat", *parts, axis=op.option("Axis")))


@writes("PACK", options="PackOptions")
def _stack(op: Operator) -> None:
    axis = op.option("Axis")
    parts = [op.add("Unsqueeze", op.given(place), whole([axis])) for place in range(op.count)]
    op.add("Concat", *parts, axis=axis, last=True)


@writes("SPLIT")
def _split(op: Operator) -> None:
    (axis,) = op.sizes(0)
    op.add_parts("Split", op.given(1), axis=axis)


@writes("SPLIT_V")
def _split_into(op: Operator) -> None:
    (axis,) = op.sizes(2)
    op.add_parts("Split", op.given(0), whole(op.sizes(1)), axis=axis)


@writes("GATHER", options="GatherOptions")
def _gather(op: Operator) -> None:
    if op.option("BatchDims"):
        raise NotRead("takes other places from each image, which is not read")
    op.add("Gather", op.given(0), op.constant(1), axis=op.option("Axis"), last=True)


@writes("PAD", "PADV2", "MIRROR_PAD")
def _pad(op: Operator) -> None:
    ends = np.array(op.sizes(1), np.int64).reshape(-1, 2)
    value = op.constant(2).reshape(()) if op.has(2) else number(0)
    images = len(ends) == len(op.tensor().shape) == 4
    given = op.given()
    if images:
        # As layers of Keras see them.
        given = op.add("Transpose", given, perm=TO_CHANNELS_FIRST)
        ends = ends[list(TO_CHANNELS_FIRST)]
    pads = ends.T.reshape(-1)
    if op.kind == "MIRROR_PAD":
        result = op.add("Pad", given, pads, mode="reflect", last=not images)
    else:
        result = op.add("Pad", given, pads, value.astype(np.float32), last=not images)
    if images:
        op.add("Transpose", result, perm=TO_CHANNELS_LAST, last=True)


@writes("STRIDED_SLICE", options="StridedSliceOptions")
def _strided_slice(op: Operator) -> None:
    if op.option("EllipsisMask") or op.option("NewAxisMask"):
        raise NotRead("has an ellipsis or new axes, which are not read")
    begins, ends, steps = (op.sizes(place) for place in (1, 2, 3))
    if not len(begins) == len(ends) == len(steps):
        raise Refused("slices axes without saying from where to where")
    dropped = []
    for axis, step in enumerate(steps):
        if op.option("ShrinkAxisMask") >> axis & 1:
            dropped.append(axis)
            ends[axis] = begins[axis] + 1 if begins[axis] != -1 else _END
            continue
        if op.option("BeginMask") >> axis & 1:
            begins[axis] = 0 if step > 0 else _END
        if op.option("EndMask") >> axis & 1:
            ends[axis] = _END if step > 0 else -_END
    _sliced(op, begins, ends, steps, dropped)


@writes("SLICE")
def _slice(op: Operator) -> None:
    begins, sizes = op.sizes(1), op.sizes(2)
    if len(begins) != len(sizes):
        raise Refused("slices axes without saying from where to where")
    ends = [_END if size == -1 else begin + size for begin, size in zip(begins, sizes, strict=True)]
    _sliced(op, begins, ends, [1] * len(begins), [])


def _sliced(
    op: Operator,
    begins: Sequence[int],
    ends: Sequence[int],
    steps: Sequence[int],
    dropped: Sequence[int],
) -> None:
    axes = range(len(begins))
    places = [whole(each) for each in (begins, ends, axes, steps)]
    result = op.add("Slice", op.given(), *places, last=not dropped)
    if dropped:
        op.add("Squeeze", result, whole(dropped), last=True)


@writes("RESIZE_BILINEAR", options="ResizeBilinearOptions")
@writes("RESIZE_NEAREST_NEIGHBOR", options="ResizeNearestNeighborOptions")
def _resize(op: Operator) -> None:
    nearest = op.kind == "RESIZE_NEAREST_NEIGHBOR"
    if op.option("AlignCorners"):
        rule = "align_corners"
    elif op.option("HalfPixelCenters"):
        rule = "tf_half_pixel_for_nn" if nearest else "half_pixel"
    else:
        rule = "asymmetric"
    channels = op.tensor(rank=4).shape[3]
    _of_images(
        op,
        "Resize",
        *("", ""),
        whole([1, channels, *op.sizes(1)]),
        activated=False,
        mode="nearest" if nearest else "linear",
        coordinate_transformation_mode=rule,
        nearest_mode="floor" if rule != "align_corners" else "round_prefer_ceil",
    )
