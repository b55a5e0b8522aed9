"""Nodes that depend on no image, computed by NumPy: mostly arithmetic with shapes.

Exporters leave it where the size of an image was not known to them, or might have been. What a
result would take is compared with what is left before it is computed.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.onnx.registry import (
    Attributes,
    Node,
    Registry,
    axes_of,
    integers,
    slices,
    target_shape,
)

Array = NDArray[Any]
MAX_RESULT = 1 << 26
"""Bytes that constants which a file does not hold may take together, beyond what it does hold."""

FOLDERS = Registry()
# By the numbers of TensorProto.DataType; floats are all float32 here.
_TYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64,
    9: np.bool_, 10: np.float32, 11: np.float32, 12: np.uint32, 13: np.uint64, 16: np.float32,
}  # fmt: skip


@dataclass(frozen=True)
class Constants(Attributes):
    """A node all of whose inputs are known."""

    inputs: tuple[Array | None, ...]

    def given(self, place: int) -> Array:
        """Give an input that has to be there."""
        if place >= len(self.inputs) or (value := self.inputs[place]) is None:
            raise Refused(f"has {len(self.inputs)} inputs, which are too few")
        return value

    def optional(self, place: int) -> Array | None:
        """Give an input that may be left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def listed(self, name: str, place: int) -> tuple[int, ...] | None:
        """Give whole numbers that are an attribute in old opsets and an input in new ones."""
        if name in self.node.attributes:
            return self.sizes(name)
        return integers(self.optional(place), name)


class Folder:
    """Computes nodes that depend on no image, within a budget of memory."""

    def __init__(self, opset: int, held: int) -> None:
        self._opset = opset
        self._left = MAX_RESULT + 2 * held

    def fold(self, node: Node, inputs: Sequence[Array | None]) -> list[Array]:
        """Give the outputs of a node, or nothing for an operator that is not folded.

        Raises Refused where the inputs do not fit.
        """
        function = FOLDERS.functions.get(node.op)
        if function is None:
            return []
        call = Constants(node, self._opset, tuple(inputs))
        if _bytes_if_it_grows(call) > self._left:
            raise Refused("makes constants that are larger than the file")
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                made = function(call)
        except (ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
            raise Refused(f"cannot be computed ({' '.join(str(error).split())[:100]})") from None
        results = made if isinstance(made, list) else [made]
        plain = [_plain(result) for result in results]
        self._left -= sum(result.nbytes for result in plain)
        return plain

    def forget(self, result: Array) -> None:
        """Take note that a result is needed no more."""
        self._left += result.nbytes


def _plain(result: Any) -> Array:
    array = np.asarray(result)
    if array.dtype.kind not in "biuf":
        raise Refused("is not made of numbers")
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _bytes_if_it_grows(call: Constants) -> int:
    """Say how much a node makes at most, if that may be more than what it takes."""
    sizes: list[tuple[int, ...]] = [value.shape for value in call.inputs if value is not None]
    if call.node.op in ("Expand", "ConstantOfShape", "Tile"):
        wanted = integers(call.given(0 if call.node.op == "ConstantOfShape" else 1), "a shape")
        if any(size < 0 for size in wanted or ()):
            raise Refused("makes a tensor of a negative size")
        first = math.prod(sizes[0]) if call.node.op != "ConstantOfShape" else 1
        return 8 * first * math.prod(wanted or ())
    if call.node.op == "Range":
        start, limit, delta = (float(call.given(place).reshape(-1)[0]) for place in range(3))
        count = (limit - start) / delta if delta else math.inf
        if not count < MAX_RESULT:
            raise Refused("counts without end")
        return 8 * max(0, math.ceil(count))
    if call.node.op == "MatMul":
        one, other = call.given(0), call.given(1)
        return int(8 * one.size * other.size // max(1, one.shape[-1] if one.ndim else 1))
    if call.node.op == "Pad":
        added = sum(abs(size) for size in call.listed("pads", 1) or ())
        return int(8 * math.prod(size + added for size in call.given(0).shape))
    if call.node.op == "Gather":
        x, axis = call.given(0), call.whole("axis", 0)
        taken = x.shape[axis] if -x.ndim <= axis < x.ndim else 1
        return int(8 * x.size * call.given(1).size // max(1, taken))
    if call.node.op in _BROADCAST:
        rank = max((len(shape) for shape in sizes), default=0)
        padded = [(1,) * (rank - len(shape)) + shape for shape in sizes]
        return int(8 * math.prod(max(column) for column in zip(*padded, strict=True)))
    return sum(value.nbytes for value in call.inputs if value is not None)


def _divided(one: Array, other: Array) -> Array:
    if one.dtype.kind in "iu":
        # ONNX rounds towards zero.
        if not np.all(other):
            raise Refused("divides by zero")
        quotient: Array = (np.abs(one) // np.abs(other)) * (np.sign(one) * np.sign(other))
        return quotient.astype(one.dtype)
    return np.divide(one, other)


_BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divided,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
}
_BROADCAST = (*_BINARY, "Where", "Pow", "Mod", "Min", "Max", "Clip", "DequantizeLinear")
_UNARY: dict[str, Callable[[Array], Any]] = {
    "Identity": lambda x: x,
    "Dropout": lambda x: x,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Reciprocal": np.reciprocal,
    "Not": np.logical_not,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "Sin": np.sin,
    "Cos": np.cos,
    "Sign": np.sign,
}


@FOLDERS(*_BINARY)
def _binary(call: Constants) -> Any:
    return _BINARY[call.node.op](call.given(0), call.given(1))


@FOLDERS(*_UNARY)
def _unary(call: Constants) -> Any:
    return _UNARY[call.node.op](call.given(0))


@FOLDERS("Pow")
def _power(call: Constants) -> Any:
    return np.power(call.given(0), call.given(1)).astype(call.given(0).dtype)


@FOLDERS("Mod")
def _mod(call: Constants) -> Any:
    function = np.fmod if call.whole("fmod", 0) else np.mod
    return function(call.given(0), call.given(1))


@FOLDERS("Min", "Max")
def _extreme(call: Constants) -> Any:
    function = np.minimum if call.node.op == "Min" else np.maximum
    found = call.given(0)
    for place in range(1, len(call.inputs)):
        found = function(found, call.given(place))
    return found


@FOLDERS("Where")
def _where(call: Constants) -> Any:
    return np.where(call.given(0), call.given(1), call.given(2))


@FOLDERS("Clip")
def _clip(call: Constants) -> Any:
    low, high = call.optional(1), call.optional(2)
    found = call.given(0) if low is None else np.maximum(call.given(0), low)
    return found if high is None else np.minimum(found, high)


@FOLDERS("Constant")
def _constant(call: Constants) -> Any:
    for name, kind in (
        ("value", None),
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in call.node.attributes:
            value = call.node.attributes[name]
            return value if kind is None else np.asarray(value, kind)
    raise Refused("is a constant of a kind that is not read")


@FOLDERS("Shape")
def _shape(call: Constants) -> Any:
    return shape_of(call, call.given(0).shape)


def shape_of(call: Attributes, shape: Sequence[int]) -> Array:
    """Compute a Shape, which since opset 15 may be a part of one."""
    end = call.node.attributes.get("end")
    return np.asarray(shape, np.int64)[call.whole("start", 0) : end]


@FOLDERS("Size")
def _size(call: Constants) -> Any:
    return np.asarray(call.given(0).size, np.int64)


@FOLDERS("Cast")
def _cast(call: Constants) -> Any:
    to = call.whole("to", 0)
    if to not in _TYPES:
        raise Refused(f"casts to type {to}")
    return call.given(0).astype(_TYPES[to])


@FOLDERS("CastLike")
def _cast_like(call: Constants) -> Any:
    return call.given(0).astype(call.given(1).dtype)


@FOLDERS("Gather")
def _gather(call: Constants) -> Any:
    return np.take(call.given(0), call.given(1).astype(np.int64), axis=call.whole("axis", 0))


@FOLDERS("Slice")
def _slice(call: Constants) -> Any:
    x = call.given(0)
    found = slices(
        x.shape,
        call.listed("starts", 1) or (),
        call.listed("ends", 2) or (),
        call.listed("axes", 3),
        integers(call.optional(4), "steps"),
    )
    return x[tuple(found.get(axis, slice(None)) for axis in range(x.ndim))]


@FOLDERS("Concat")
def _concat(call: Constants) -> Any:
    parts = [call.given(place) for place in range(len(call.inputs))]
    return np.concatenate(parts, axis=call.whole("axis", 0))


@FOLDERS("Split")
def _split(call: Constants) -> Any:
    x, axis = call.given(0), call.whole("axis", 0)
    sizes = split_sizes(call, x.shape[axis], call.listed("split", 1))
    return np.split(x, np.cumsum(sizes)[:-1], axis=axis)


def split_sizes(call: Attributes, whole: int, wanted: Sequence[int] | None) -> list[int]:
    """Say how large the parts of a Split are."""
    count = len(call.node.outputs)
    if wanted is None:
        part = -(-whole // count)
        wanted = [min(part, whole - part * place) for place in range(count)]
    if len(wanted) != count or sum(wanted) != whole or min(wanted) < 1:
        raise Refused(f"splits {whole} into {tuple(wanted)}")
    return list(wanted)


@FOLDERS("Reshape")
def _reshape(call: Constants) -> Any:
    x, wanted = call.given(0), call.listed("shape", 1) or ()
    return x.reshape(target_shape(wanted, x.shape, keep_zero=not call.whole("allowzero", 0)))


@FOLDERS("Flatten")
def _flatten(call: Constants) -> Any:
    x, axis = call.given(0), call.whole("axis", 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


@FOLDERS("Transpose")
def _transpose(call: Constants) -> Any:
    return np.transpose(call.given(0), call.sizes("perm"))


@FOLDERS("Squeeze")
def _squeeze(call: Constants) -> Any:
    return np.squeeze(call.given(0), call.listed("axes", 1))


@FOLDERS("Unsqueeze")
def _unsqueeze(call: Constants) -> Any:
    x, axes = call.given(0), call.listed("axes", 1) or ()
    return np.expand_dims(x, axes_of(axes, x.ndim + len(axes)))


@FOLDERS("ConstantOfShape")
def _constant_of_shape(call: Constants) -> Any:
    value = call.node.attributes.get("value", np.zeros(1, np.float32))
    return np.full(integers(call.given(0), "a shape") or (), value.reshape(-1)[0], value.dtype)


@FOLDERS("Range")
def _range(call: Constants) -> Any:
    start, limit, delta = (call.given(place).reshape(-1)[0] for place in range(3))
    return np.arange(start, limit, delta, dtype=start.dtype)


@FOLDERS("Expand")
def _expand(call: Constants) -> Any:
    x, wanted = call.given(0), integers(call.given(1), "a shape") or ()
    shape = np.broadcast_shapes(x.shape, wanted)
    return np.broadcast_to(x, shape)


@FOLDERS("Tile")
def _tile(call: Constants) -> Any:
    return np.tile(call.given(0), integers(call.given(1), "repeats") or ())


@FOLDERS("Pad")
def _pad(call: Constants) -> Any:
    x, pads = call.given(0), call.listed("pads", 1) or ()
    if call.text("mode", "constant") != "constant" or min(pads, default=0) < 0:
        raise Refused("pads a constant in a way that is not read")
    fill = call.optional(2)
    ends = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    return np.pad(x, ends, constant_values=0 if fill is None else fill.reshape(-1)[0])


@FOLDERS("MatMul")
def _matmul(call: Constants) -> Any:
    return np.matmul(call.given(0), call.given(1))


@FOLDERS("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean")
def _reduce(call: Constants) -> Any:
    functions: dict[str, Callable[..., Any]] = {
        "ReduceProd": np.prod,
        "ReduceSum": np.sum,
        "ReduceMax": np.max,
        "ReduceMin": np.min,
        "ReduceMean": np.mean,
    }
    function, x, axes = functions[call.node.op], call.given(0), call.listed("axes", 1)
    if not axes:
        axes = None if not call.whole("noop_with_empty_axes", 0) else ()
    return function(x, axis=axes, keepdims=bool(call.whole("keepdims", 1))).astype(x.dtype)


@FOLDERS("DequantizeLinear")
def _dequantize(call: Constants) -> Any:
    x, scale, zero = call.given(0), call.given(1), call.optional(2)
    if scale.ndim == 1 and x.ndim > 1:
        axis = call.whole("axis", 1) % x.ndim
        shape = tuple(-1 if place == axis else 1 for place in range(x.ndim))
        scale = scale.reshape(shape)
        zero = None if zero is None else zero.reshape(shape)
    offset = 0 if zero is None else zero.astype(np.float32)
    return (x.astype(np.float32) - offset) * scale


@FOLDERS("ScatterND")
def _scatter(call: Constants) -> Any:
    if call.text("reduction", "none") != "none":
        raise Refused("scatters in a way that is not read")
    x, places = call.given(0).copy(), call.given(1).astype(np.int64)
    x[tuple(np.moveaxis(places, -1, 0))] = call.given(2)
    return x


@FOLDERS("Trilu")
def _triangle(call: Constants) -> Any:
    beyond = call.optional(1)
    function = np.triu if call.whole("upper", 1) else np.tril
    return function(call.given(0), 0 if beyond is None else int(beyond.reshape(-1)[0]))


@FOLDERS("CumSum")
def _running_sum(call: Constants) -> Any:
    if call.whole("exclusive", 0) or call.whole("reverse", 0):
        raise Refused("sums in a way that is not read")
    return np.cumsum(
        call.given(0), axis=int(call.given(1).reshape(-1)[0]), dtype=call.given(0).dtype
    )


@FOLDERS("BatchNormalization")
def _standardize(call: Constants) -> Any:
    """Kernels that are standardized (Qiao et al. 2019) are normalized as in training."""
    x = call.given(0)
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale, bias, mean, variance = (call.given(place).reshape(shape) for place in range(1, 5))
    if call.whole("training_mode", 0):
        axes = (0, *range(2, x.ndim))
        mean, variance = (function(x, axis=axes, keepdims=True) for function in (np.mean, np.var))
    return (x - mean) / np.sqrt(variance + call.number("epsilon", 1e-5)) * scale + bias
