"""Nodes that depend on no image, computed by NumPy: mostly arithmetic with shapes.

Exporters leave it where the size of an image was not known to them, or might have been. What a
result would take is compared with what is left before it is computed.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.onnx.registry import Node, Operation, Registry, integers
from kextract.foreign.onnx.shaping import REARRANGING

Array = NDArray[Any]
MAX_RESULT = 1 << 26
"""Bytes that constants which a file does not hold may take together, beyond what it does hold."""

COMPUTING = Registry()
# By the numbers of TensorProto.DataType; floats are all float32 here.
_TYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64,
    9: np.bool_, 10: np.float32, 11: np.float32, 12: np.uint32, 13: np.uint64, 16: np.float32,
}  # fmt: skip


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
        call = Operation(node, self._opset, tuple(inputs))
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


def _bytes_if_it_grows(call: Operation) -> int:
    """Say how much a node makes at most, if that may be more than what it takes."""
    sizes: list[tuple[int, ...]] = [value.shape for value in call.inputs if value is not None]
    if call.node.op in ("Expand", "ConstantOfShape", "Tile"):
        wanted = integers(call.constant(0 if call.node.op == "ConstantOfShape" else 1), "a shape")
        if any(size < 0 for size in wanted or ()):
            raise Refused("makes a tensor of a negative size")
        first = math.prod(sizes[0]) if call.node.op != "ConstantOfShape" else 1
        return 8 * first * math.prod(wanted or ())
    if call.node.op == "Range":
        start, limit, delta = (float(call.constant(place).reshape(-1)[0]) for place in range(3))
        count = (limit - start) / delta if delta else math.inf
        if not count < MAX_RESULT:
            raise Refused("counts without end")
        return 8 * max(0, math.ceil(count))
    if call.node.op == "MatMul":
        one, other = call.constant(0), call.constant(1)
        return int(8 * one.size * other.size // max(1, one.shape[-1] if one.ndim else 1))
    if call.node.op == "Pad":
        added = sum(abs(size) for size in call.listed("pads", 1) or ())
        return int(8 * math.prod(size + added for size in call.constant(0).shape))
    if call.node.op == "Gather":
        x, axis = call.constant(0), call.whole("axis", 0)
        taken = x.shape[axis] if -x.ndim <= axis < x.ndim else 1
        return int(8 * x.size * call.constant(1).size // max(1, taken))
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


_OF_NUMBERS: dict[str, tuple[int, Callable[..., Any]]] = {
    "Abs": (1, np.abs),
    "Add": (2, np.add),
    "And": (2, np.logical_and),
    "CastLike": (2, lambda x, like: x.astype(like.dtype)),
    "Ceil": (1, np.ceil),
    "Cos": (1, np.cos),
    "Div": (2, _divided),
    "Dropout": (1, lambda x: x),
    "Equal": (2, np.equal),
    "Exp": (1, np.exp),
    "Floor": (1, np.floor),
    "Greater": (2, np.greater),
    "GreaterOrEqual": (2, np.greater_equal),
    "Identity": (1, lambda x: x),
    "Less": (2, np.less),
    "LessOrEqual": (2, np.less_equal),
    "Log": (1, np.log),
    "MatMul": (2, np.matmul),
    "Mul": (2, np.multiply),
    "Neg": (1, np.negative),
    "Not": (1, np.logical_not),
    "Or": (2, np.logical_or),
    "Pow": (2, lambda x, power: np.power(x, power).astype(x.dtype)),
    "Reciprocal": (1, np.reciprocal),
    "Relu": (1, lambda x: np.maximum(x, 0)),
    "Round": (1, np.rint),
    "Sigmoid": (1, lambda x: 1 / (1 + np.exp(-x))),
    "Sign": (1, np.sign),
    "Sin": (1, np.sin),
    "Sqrt": (1, np.sqrt),
    "Sub": (2, np.subtract),
    "Tanh": (1, np.tanh),
    "Where": (3, np.where),
}
"""How many arrays an operator takes, and what it makes of them."""
_BROADCAST = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Clip", "Where", "And", "Or"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "DequantizeLinear"),
    }
)


@COMPUTING(*_OF_NUMBERS)
def _of_numbers(call: Operation) -> Any:
    count, function = _OF_NUMBERS[call.node.op]
    return function(*(call.constant(place) for place in range(count)))


@COMPUTING("Mod")
def _mod(call: Operation) -> Any:
    function = np.fmod if call.whole("fmod", 0) else np.mod
    return function(call.constant(0), call.constant(1))


@COMPUTING("Min", "Max")
def _extreme(call: Operation) -> Any:
    function = np.minimum if call.node.op == "Min" else np.maximum
    return reduce(function, [call.constant(place) for place in range(len(call.inputs))])


@COMPUTING("Clip")
def _clip(call: Operation) -> Any:
    low, high = call.optional(1), call.optional(2)
    found = call.constant(0) if low is None else np.maximum(call.constant(0), low)
    return found if high is None else np.minimum(found, high)


@COMPUTING("Constant")
def _constant(call: Operation) -> Any:
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


@COMPUTING("Cast")
def _cast(call: Operation) -> Any:
    to = call.whole("to", 0)
    if to not in _TYPES:
        raise Refused(f"casts to type {to}")
    return call.constant(0).astype(_TYPES[to])


@COMPUTING("Gather")
def _gather(call: Operation) -> Any:
    return np.take(call.constant(0), call.constant(1).astype(np.int64), axis=call.whole("axis", 0))


@COMPUTING("ConstantOfShape")
def _constant_of_shape(call: Operation) -> Any:
    value = call.node.attributes.get("value", np.zeros(1, np.float32))
    return np.full(integers(call.constant(0), "a shape") or (), value.reshape(-1)[0], value.dtype)


@COMPUTING("Range")
def _range(call: Operation) -> Any:
    start, limit, delta = (call.constant(place).reshape(-1)[0] for place in range(3))
    return np.arange(start, limit, delta, dtype=start.dtype)


@COMPUTING("Expand")
def _expand(call: Operation) -> Any:
    x, wanted = call.constant(0), integers(call.constant(1), "a shape") or ()
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, wanted))


@COMPUTING("Tile")
def _tile(call: Operation) -> Any:
    return np.tile(call.constant(0), integers(call.constant(1), "repeats") or ())


@COMPUTING("Pad")
def _pad(call: Operation) -> Any:
    x, pads = call.constant(0), call.listed("pads", 1) or ()
    if call.text("mode", "constant") != "constant" or min(pads, default=0) < 0:
        raise Refused("pads a constant in a way that is not read")
    fill = call.optional(2)
    ends = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    return np.pad(x, ends, constant_values=0 if fill is None else fill.reshape(-1)[0])


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceMean": np.mean,
}


@COMPUTING(*_REDUCTIONS)
def _reduce(call: Operation) -> Any:
    x, axes = call.constant(0), call.listed("axes", 1)
    if not axes:
        axes = None if not call.whole("noop_with_empty_axes", 0) else ()
    kept = bool(call.whole("keepdims", 1))
    return _REDUCTIONS[call.node.op](x, axis=axes, keepdims=kept).astype(x.dtype)


@COMPUTING("DequantizeLinear")
def _dequantize(call: Operation) -> Any:
    x, scale, zero = call.constant(0), call.constant(1), call.optional(2)
    if scale.ndim == 1 and x.ndim > 1:
        axis = call.whole("axis", 1) % x.ndim
        shape = tuple(-1 if place == axis else 1 for place in range(x.ndim))
        scale = scale.reshape(shape)
        zero = None if zero is None else zero.reshape(shape)
    offset = 0 if zero is None else zero.astype(np.float32)
    return (x.astype(np.float32) - offset) * scale


@COMPUTING("ScatterND")
def _scatter(call: Operation) -> Any:
    if call.text("reduction", "none") != "none":
        raise Refused("scatters in a way that is not read")
    x, places = call.constant(0).copy(), call.constant(1).astype(np.int64)
    x[tuple(np.moveaxis(places, -1, 0))] = call.constant(2)
    return x


@COMPUTING("Trilu")
def _triangle(call: Operation) -> Any:
    function = np.triu if call.whole("upper", 1) else np.tril
    return function(call.constant(0), int(call.scalar(1, 0)))


@COMPUTING("CumSum")
def _running_sum(call: Operation) -> Any:
    if call.whole("exclusive", 0) or call.whole("reverse", 0):
        raise Refused("sums in a way that is not read")
    x = call.constant(0)
    return np.cumsum(x, axis=int(call.scalar(1, 0)), dtype=x.dtype)


@COMPUTING("BatchNormalization")
def _standardize(call: Operation) -> Any:
    """Kernels that are standardized (Qiao et al. 2019) are normalized as in training."""
    x = call.constant(0)
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale, bias, mean, variance = (call.constant(place).reshape(shape) for place in range(1, 5))
    if call.whole("training_mode", 0):
        axes = (0, *range(2, x.ndim))
        mean, variance = (function(x, axis=axes, keepdims=True) for function in (np.mean, np.var))
    return (x - mean) / np.sqrt(variance + call.number("epsilon", 1e-5)) * scale + bias


FOLDERS = Registry(COMPUTING, REARRANGING)
