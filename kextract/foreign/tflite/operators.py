"""The operators of TFLite: a table of which nodes of ONNX each is written as."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kextract.errors import NotRead, Refused
from kextract.foreign.tflite.writing import (
    TO_CHANNELS_FIRST,
    TO_CHANNELS_LAST,
    Array,
    Operator,
    Writer,
    number,
    whole,
)

MAX_COPIES = 64
_SAME = 0
_END = 1 << 31
_INT64 = 7
Input = Callable[[Operator], str | Array]


def _convolution(op: Operator) -> None:
    kernel = op.constant(1, rank=4).transpose(0, 3, 1, 2)
    _convolved(op, kernel, group=op.tensor(rank=4).shape[3] // max(kernel.shape[1], 1))


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


def _collect(op: Operator) -> None:
    if op.blocks() != tuple(op.sizes(1)):
        raise NotRead("collects rows and columns that were dealt otherwise, which is not read")
    _of_images(op, "Pad", whole([-crop for crop in _of_sides(op.sizes(2))]), activated=False)


def _of_sides(ends: Sequence[int]) -> list[int]:
    """Give (before, after) of rows and of columns as ONNX pads an image, channels first."""
    top, bottom, left, right = ends
    return [0, 0, top, left, 0, 0, bottom, right]


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


def _pool(name: str) -> Writer:
    return lambda op: _of_images(
        op,
        name,
        kernel_shape=(op.option("FilterHeight"), op.option("FilterWidth")),
        strides=(op.option("StrideH"), op.option("StrideW")),
        auto_pad=_padding(op),
    )


def _blocks(name: str) -> Writer:
    return lambda op: _of_images(op, name, activated=False, blocksize=int(op.option("BlockSize")))


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


def _product(op: Operator) -> None:
    factors = []
    for place, turned in enumerate((op.option("AdjX"), op.option("AdjY"))):
        factor, rank = op.given(place), len(op.tensor(place).shape)
        if turned:
            order = (*range(rank - 2), rank - 1, rank - 2)
            factor = op.add("Transpose", factor, perm=order)
        factors.append(factor)
    op.add("MatMul", *factors, last=True)


def _node(name: str, *inputs: Input, **attributes: Any) -> Writer:
    """Write one node of the first input of an operator, or of these; attributes may be options."""

    def write(op: Operator) -> None:
        given = [make(op) for make in inputs or (_input(0),)]
        found = {key: value(op) if callable(value) else value for key, value in attributes.items()}
        op.add(name, *given, last=True, **found)

    return write


def _input(place: int) -> Input:
    return lambda op: op.given(place)


def _sizes(op: Operator) -> Array:
    return whole(op.sizes(1))


def _activated(name: str) -> Writer:
    return lambda op: op.finish(op.add(name, op.given(0), op.given(1)))


def _clip(low: float, high: float) -> Writer:
    return _node("Clip", _input(0), lambda op: number(low), lambda op: number(high))


def _summed(name: str) -> Writer:
    return _node(name, _input(0), _sizes, keepdims=lambda op: int(op.option("KeepDims", False)))


def _cast(op: Operator) -> None:
    if op.made().is_integer and not op.tensor().is_integer:
        op.add("Cast", op.given(), to=_INT64, last=True)
    else:
        op.add("Identity", op.given(), last=True)


def _inverse_root(op: Operator) -> None:
    op.add("Reciprocal", op.add("Sqrt", op.given()), last=True)


def _squared_difference(op: Operator) -> None:
    difference = op.add("Sub", op.given(0), op.given(1))
    op.add("Mul", difference, difference, last=True)


def _softmax(op: Operator) -> None:
    given, beta = op.given(), float(op.option("Beta"))
    if beta != 1.0:
        given = op.add("Mul", given, number(beta))
    op.add("Softmax", given, axis=-1, last=True)


def _reshape(op: Operator) -> None:
    if op.has(1):
        shape: str | Array = op.given(1)
    elif op.options and not op.options.NewShapeIsNone():
        shape = whole(_listed(op.options.NewShapeAsNumpy()))
    else:
        raise Refused("does not say which shape it makes")
    op.add("Reshape", op.given(), shape, allowzero=1, last=True)


def _squeeze(op: Operator) -> None:
    axes = _listed(op.options.SqueezeDimsAsNumpy()) if op.options else []
    if not axes:
        axes = [axis for axis, size in enumerate(op.tensor().shape) if size == 1]
    op.add("Squeeze", op.given(), whole(axes), last=True)


def _listed(found: Any) -> list[int]:
    """List what the schema gives as an array, or as the number 0 where there is nothing."""
    return [int(size) for size in np.atleast_1d(found)[:64]] if not isinstance(found, int) else []


def _repeat(op: Operator) -> None:
    result, times = op.given(), op.sizes(1)
    if any(not 1 <= count <= MAX_COPIES for count in times):
        raise NotRead(f"repeats a tensor never, or more than {MAX_COPIES} times, which is not read")
    for axis, count in enumerate(times):
        if count > 1:
            result = op.add("Concat", *[result] * count, axis=axis)
    op.add("Identity", result, last=True)


def _concatenation(op: Operator) -> None:
    parts = [op.given(place) for place in range(len(op.inputs))]
    op.finish(op.add("Concat", *parts, axis=op.option("Axis")))


def _stack(op: Operator) -> None:
    axis = op.option("Axis")
    parts = [op.add("Unsqueeze", op.given(place), whole([axis])) for place in range(len(op.inputs))]
    op.add("Concat", *parts, axis=axis, last=True)


def _split(op: Operator) -> None:
    (axis,) = op.sizes(0)
    op.add_parts("Split", op.given(1), axis=axis)


def _split_into(op: Operator) -> None:
    (axis,) = op.sizes(2)
    op.add_parts("Split", op.given(0), whole(op.sizes(1)), axis=axis)


def _gather(op: Operator) -> None:
    if op.option("BatchDims"):
        raise NotRead("takes other places from each image, which is not read")
    op.add("Gather", op.given(0), op.constant(1), axis=op.option("Axis"), last=True)


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


WRITERS: dict[str, tuple[str, Writer]] = {
    "ABS": ("", _node("Abs")),
    "ADD": ("AddOptions", _activated("Add")),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _pool("AveragePool")),
    "BATCH_MATMUL": ("BatchMatMulOptions", _product),
    "BATCH_TO_SPACE_ND": ("", _collect),
    "BROADCAST_TO": ("", _node("Expand", _input(0), _sizes)),
    "CAST": ("", _cast),
    "CONCATENATION": ("ConcatenationOptions", _concatenation),
    "CONV_2D": ("Conv2DOptions", _convolution),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", _blocks("DepthToSpace")),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _depthwise_convolution),
    "DEQUANTIZE": ("", _node("Identity")),
    "DIV": ("DivOptions", _activated("Div")),
    "ELU": ("", _node("Elu")),
    "EXP": ("", _node("Exp")),
    "EXPAND_DIMS": ("", _node("Unsqueeze", _input(0), _sizes)),
    "FAKE_QUANT": (
        "FakeQuantOptions",
        _node(
            "Clip",
            _input(0),
            lambda op: number(op.option("Min")),
            lambda op: number(op.option("Max")),
        ),
    ),
    "FULLY_CONNECTED": ("FullyConnectedOptions", _dense),
    "GATHER": ("GatherOptions", _gather),
    "GELU": (
        "GeluOptions",
        _node("Gelu", approximate=lambda op: "tanh" if op.option("Approximate", False) else "none"),
    ),
    "HARD_SWISH": ("", _node("HardSwish")),
    "LEAKY_RELU": (
        "LeakyReluOptions",
        _node("LeakyRelu", alpha=lambda op: float(op.option("Alpha"))),
    ),
    "LOCAL_RESPONSE_NORMALIZATION": ("LocalResponseNormalizationOptions", _local_response),
    "LOG": ("", _node("Log")),
    "LOG_SOFTMAX": ("", _node("LogSoftmax", axis=-1)),
    "LOGISTIC": ("", _node("Sigmoid")),
    "MAX_POOL_2D": ("Pool2DOptions", _pool("MaxPool")),
    "MAXIMUM": ("", _node("Max", _input(0), _input(1))),
    "MEAN": ("ReducerOptions", _summed("ReduceMean")),
    "MINIMUM": ("", _node("Min", _input(0), _input(1))),
    "MIRROR_PAD": ("", _pad),
    "MUL": ("MulOptions", _activated("Mul")),
    "NEG": ("", _node("Neg")),
    "PACK": ("PackOptions", _stack),
    "PAD": ("", _pad),
    "PADV2": ("", _pad),
    "POW": ("", _node("Pow", _input(0), _input(1))),
    "PRELU": ("", _node("PRelu", _input(0), lambda op: op.constant(1))),
    "QUANTIZE": ("", _node("Identity")),
    "REDUCE_MAX": ("ReducerOptions", _summed("ReduceMax")),
    "RELU": ("", _node("Relu")),
    "RELU6": ("", _clip(0.0, 6.0)),
    "RELU_0_TO_1": ("", _clip(0.0, 1.0)),
    "RELU_N1_TO_1": ("", _clip(-1.0, 1.0)),
    "RESHAPE": ("ReshapeOptions", _reshape),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _resize),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _resize),
    "RSQRT": ("", _inverse_root),
    "SHAPE": ("", _node("Shape")),
    "SLICE": ("", _slice),
    "SOFTMAX": ("SoftmaxOptions", _softmax),
    "SPACE_TO_BATCH_ND": ("", _deal),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", _blocks("SpaceToDepth")),
    "SPLIT": ("", _split),
    "SPLIT_V": ("", _split_into),
    "SQRT": ("", _node("Sqrt")),
    "SQUARE": ("", _node("Mul", _input(0), _input(0))),
    "SQUARED_DIFFERENCE": ("", _squared_difference),
    "SQUEEZE": ("SqueezeOptions", _squeeze),
    "STRIDED_SLICE": ("StridedSliceOptions", _strided_slice),
    "SUB": ("SubOptions", _activated("Sub")),
    "SUM": ("ReducerOptions", _summed("ReduceSum")),
    "TANH": ("", _node("Tanh")),
    "TILE": ("", _repeat),
    "TRANSPOSE": ("", _node("Transpose", perm=lambda op: tuple(op.sizes(1)))),
    "TRANSPOSE_CONV": ("TransposeConvOptions", _backward_convolution),
}
"""By operator: the type of its options in the schema, "" for none, and what writes its nodes."""
