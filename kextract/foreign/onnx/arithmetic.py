"""Operators that treat every number alike: activations, arithmetic with constants and tensors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

import keras
import numpy as np

from kextract.errors import Refused
from kextract.foreign.onnx.registry import FLOATS, Registry, not_read
from kextract.foreign.onnx.tensors import (
    MAX_NUMBERS,
    Array,
    Call,
    Tensor,
    Value,
    aligned,
    in_keras_order,
    tensor,
)

ARITHMETIC = Registry()
_FEW = 4
"""The most channels that are scaled by numbers in a layer's description, as pixels are."""

Layer = Callable[[Any], Any]
"""From a KerasTensor to another."""


def _activation(name: str) -> Layer:
    layer: Layer = keras.layers.Activation(name, dtype="float32")
    return layer


def _leaky_relu(call: Call) -> Layer:
    slope = call.number("alpha", 0.01)
    if slope < 0:
        raise not_read("has a slope below zero")
    layer: Layer = keras.layers.LeakyReLU(negative_slope=slope, dtype="float32")
    return layer


def _selu(call: Call) -> Layer:
    alpha, gamma = call.number("alpha", 1.67326319), call.number("gamma", 1.05070102)
    if np.allclose((alpha, gamma), (1.67326324, 1.05070098), rtol=1e-5, atol=0):
        return _activation("selu")
    scaled = keras.layers.Rescaling(gamma, dtype="float32")
    return lambda x: scaled(keras.layers.ELU(alpha, dtype="float32")(x))


def _celu(call: Call) -> Layer:
    if (alpha := call.number("alpha", 1.0)) != 1:
        raise not_read(f"has the alpha {alpha:g}")
    return _activation("celu")


def _gelu(call: Call) -> Layer:
    if call.text("approximate", "none") == "tanh":
        return lambda x: keras.ops.gelu(x, approximate=True)
    return _activation("gelu")


def _hard_sigmoid(call: Call) -> Layer:
    alpha, beta = call.number("alpha", 0.2), call.number("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-4) and beta == 0.5:
        return _activation("hard_sigmoid")
    cut = keras.layers.ReLU(max_value=1.0, dtype="float32")
    return lambda x: cut(keras.layers.Rescaling(alpha, beta, dtype="float32")(x))


_OF_ONE_NUMBER: dict[str, Callable[[Call], Layer]] = {
    "Abs": lambda call: keras.ops.absolute,
    "Celu": _celu,
    "Elu": lambda call: keras.layers.ELU(call.number("alpha", 1.0), dtype="float32"),
    "Exp": lambda call: _activation("exponential"),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda call: _activation("hard_silu"),
    "LeakyRelu": _leaky_relu,
    "Log": lambda call: keras.ops.log,
    "Mish": lambda call: _activation("mish"),
    "Reciprocal": lambda call: lambda x: keras.ops.divide(1.0, x),
    "Relu": lambda call: keras.layers.ReLU(dtype="float32"),
    "Selu": _selu,
    "Sigmoid": lambda call: _activation("sigmoid"),
    "Softplus": lambda call: _activation("softplus"),
    "Softsign": lambda call: _activation("softsign"),
    "Sqrt": lambda call: keras.ops.sqrt,
    "Swish": lambda call: _activation("silu"),
    "Tanh": lambda call: _activation("tanh"),
}
"""What makes one number of one number, and in Keras is one layer."""
_NONNEGATIVE = ("HardSigmoid", "Relu", "Sigmoid")


@ARITHMETIC(*_OF_ONE_NUMBER)
def _of_one_number(call: Call) -> Tensor:
    x, op = call.tensor(), call.node.op
    return x.with_data(_OF_ONE_NUMBER[op](call)(x.data), nonnegative=op in _NONNEGATIVE)


@ARITHMETIC("PRelu")
def _prelu(call: Call) -> Tensor:
    x = call.tensor()
    slopes = in_keras_order(x, call.constant(1))
    shared = [axis for axis, size in enumerate(slopes.shape, 1) if size == 1]
    layer = keras.layers.PReLU(shared_axes=shared, alpha_initializer="zeros", dtype="float32")
    return x.with_data(call.weighted(layer, x.data, slopes))


@ARITHMETIC("Clip")
def _clip(call: Call) -> Tensor:
    x = call.tensor()
    low = call.number("min", -math.inf) if len(call.inputs) == 1 else call.scalar(1, -math.inf)
    high = call.number("max", math.inf) if len(call.inputs) == 1 else call.scalar(2, math.inf)
    return clipped(x, low, high)


def clipped(x: Tensor, low: float, high: float) -> Tensor:
    """Keep numbers between two ends, either of which may be infinite."""
    # Some exporters write the largest float32 for an infinity.
    low, high = (end if abs(end) < 3e38 else math.copysign(math.inf, end) for end in (low, high))
    if low == 0 and high > 0:
        most = None if high == math.inf else high
        return x.with_data(keras.layers.ReLU(most, dtype="float32")(x.data), nonnegative=True)
    nonnegative = low >= 0
    if low == -math.inf:
        data = x.data if high == math.inf else keras.ops.minimum(x.data, high)
    elif high == math.inf:
        data = keras.ops.maximum(x.data, low)
    else:
        data = keras.ops.clip(x.data, low, high)
    return x.with_data(data, nonnegative=nonnegative)


@ARITHMETIC("Identity", "Dropout")
def _identity(call: Call) -> Tensor:
    if call.used_outputs > 1:
        raise not_read("gives a mask")
    return call.tensor()


@ARITHMETIC("Cast", "CastLike")
def _cast(call: Call) -> Tensor:
    if call.node.op == "Cast" and call.whole("to", 0) not in FLOATS:
        raise not_read("casts to something else than floating-point numbers")
    return call.tensor()


@ARITHMETIC("Neg")
def _negative(call: Call) -> Tensor:
    return affine(call, call.tensor(), scale=-1.0)


def _limited(call: Call, x: Tensor, value: Array) -> Tensor:
    if value.size != 1:
        raise not_read("compares with constants that differ from place to place")
    number = float(value.reshape(-1)[0])
    return clipped(x, number, math.inf) if call.node.op == "Max" else clipped(x, -math.inf, number)


_IN_ANY_ORDER: dict[str, tuple[Any, Callable[[Call, Tensor, Array], Tensor]]] = {
    "Add": (keras.layers.Add, lambda call, x, value: affine(call, x, shift=value)),
    "Sum": (keras.layers.Add, lambda call, x, value: affine(call, x, shift=value)),
    "Mul": (keras.layers.Multiply, lambda call, x, value: affine(call, x, scale=value)),
    "Max": (keras.layers.Maximum, _limited),
    "Min": (keras.layers.Minimum, _limited),
}
"""Operators whose inputs may change places: the layer for two tensors, and what a constant does."""


@ARITHMETIC(*_IN_ANY_ORDER)
def _in_any_order(call: Call) -> Tensor:
    """Apply an operator to one input after the other, tensors first."""
    layer, with_constant = _IN_ANY_ORDER[call.node.op]
    found, *others = [value for value in call.inputs if isinstance(value, Tensor)]
    for other in others:
        pair, axes = aligned([found, other])
        nonnegative = found.nonnegative and other.nonnegative
        found = tensor(layer(dtype="float32")(pair), axes, nonnegative=nonnegative)
    for value in call.inputs:
        if value is not None and not isinstance(value, Tensor):
            wide = broadcast(call, found, value.shape)
            found = with_constant(call, wide, in_keras_order(wide, value.astype(np.float32)))
    return found


@ARITHMETIC("Sub", "Div")
def _one_from_other(call: Call) -> Tensor:
    one, other = _two(call)
    subtracts = call.node.op == "Sub"
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        pair, axes = aligned([one, other])
        if subtracts:
            return tensor(keras.layers.Subtract(dtype="float32")(pair), axes)
        return tensor(keras.ops.divide(*pair), axes)
    x, value = (one, other) if isinstance(one, Tensor) else (other, one)
    assert isinstance(x, Tensor) and not isinstance(value, Tensor), "one of the two is a tensor"
    x = broadcast(call, x, value.shape)
    numbers = in_keras_order(x, value.astype(np.float32))
    if isinstance(one, Tensor):
        with np.errstate(divide="ignore"):
            return (
                affine(call, x, shift=-numbers) if subtracts else affine(call, x, scale=1 / numbers)
            )
    if subtracts:
        return affine(call, x, scale=-1.0, shift=numbers)
    return affine(call, x.with_data(keras.ops.divide(1.0, x.data)), scale=numbers)


@ARITHMETIC("Pow")
def _power(call: Call) -> Tensor:
    x, power = call.tensor(), call.scalar(1, 1.0)
    if power == 2:
        return x.with_data(keras.ops.square(x.data), nonnegative=True)
    if power == 0.5:
        return x.with_data(keras.ops.sqrt(x.data), nonnegative=True)
    return x.with_data(keras.ops.power(x.data, power))


def _two(call: Call) -> tuple[Value, Value]:
    if len(call.inputs) != 2 or call.inputs[0] is None or call.inputs[1] is None:
        raise Refused(f"has {len(call.inputs)} inputs; expected 2")
    return call.inputs[0], call.inputs[1]


def affine(
    call: Call, x: Tensor, *, scale: Array | float | None = None, shift: Array | float | None = None
) -> Tensor:
    """Scale and shift a tensor by constants, one for all or by axes of Keras, as weights."""
    sizes = x.data.shape[1:]
    factor, offset = _spread(scale, len(sizes)), _spread(shift, len(sizes))
    arrays = [value for value in (factor, offset) if value is not None]
    varying = {axis for value in arrays for axis in _varying(value)}
    if not varying or (varying == {len(sizes)} and sizes[-1] <= _FEW):
        layer = keras.layers.Rescaling(_listed(factor, 1.0), _listed(offset, 0.0), dtype="float32")
        return x.with_data(layer(x.data))
    # A layer has weights along some axis: the last that has more numbers than one.
    last = max(varying)
    row = np.ones([size if axis == last else 1 for axis, size in enumerate(sizes, 1)], np.float32)
    factor = row if factor is None else factor if _varying(factor) else factor * row
    offset = offset if offset is None or _varying(offset) else offset * row
    if offset is not None and len(_varying(offset)) == 1 and offset.shape[-1] == 1:
        # Keras takes a bias along one axis for one along the last, or the first, of as many.
        others = (axis for axis in range(len(sizes)) if sizes[axis] > 1 == offset.shape[axis])
        widened = max(others, default=0)
        offset = np.repeat(offset, sizes[widened] // offset.shape[widened], axis=widened)
    if varying == {len(sizes)} and len(sizes) == 3:
        depthwise = keras.layers.DepthwiseConv2D(
            1, use_bias=offset is not None, depthwise_initializer="zeros", dtype="float32"
        )
        bias = None if offset is None else offset.reshape(-1)
        return x.with_data(call.weighted(depthwise, x.data, factor.reshape(1, 1, -1, 1), bias))
    return x.with_data(_elementwise(call, x.data, factor, offset))


def _elementwise(call: Call, data: Any, scale: Array, shift: Array | None) -> Any:
    """Scale and shift by arrays with one axis, perhaps of one number, for each axis of Keras."""
    letters = ascii_lowercase[: len(data.shape)]
    of_shift = [] if shift is None else _varying(shift)
    layer = keras.layers.EinsumDense(
        f"{letters},{''.join(letters[axis] for axis in _varying(scale))}->{letters}",
        output_shape=data.shape[1:],
        bias_axes="".join(letters[axis] for axis in of_shift) or None,
        kernel_initializer="zeros",
        dtype="float32",
    )
    kernel = scale.reshape([scale.shape[axis - 1] for axis in _varying(scale)])
    bias = None if shift is None else shift.reshape(shift.shape[of_shift[0] - 1 :])
    return call.weighted(layer, data, kernel, bias)


def _spread(value: Array | float | None, rank: int) -> Array | None:
    """Give an array as many axes as a tensor has in Keras, the images left out."""
    if value is None:
        return None
    array = np.asarray(value, np.float32)
    return array.reshape((1,) * (rank - array.ndim) + array.shape)


def _varying(value: Array) -> list[int]:
    """List the axes of Keras along which an array is not the same."""
    return [axis for axis, size in enumerate(value.shape, 1) if size > 1]


def _listed(value: Array | None, default: float) -> float | list[float]:
    if value is None:
        return default
    numbers: list[float] = value.reshape(-1).tolist()
    return numbers[0] if len(numbers) == 1 else numbers


def broadcast(call: Call, x: Tensor, shape: Sequence[int]) -> Tensor:
    """Repeat a tensor along axes of one number, as far as a shape that it is used with says."""
    try:
        wanted = np.broadcast_shapes(x.shape, tuple(shape))
    except ValueError:
        raise Refused(f"broadcasts {x.shape} with {tuple(shape)}") from None
    if math.prod(wanted) > MAX_NUMBERS:
        raise Refused(f"makes more than {MAX_NUMBERS} numbers of one image")
    x = replace(x, axes=((),) * (len(wanted) - x.rank) + x.axes)
    new = [axis for axis, size in enumerate(wanted) if size != x.shape[axis]]
    if not new:
        return x
    letters = ascii_lowercase[: len(x.data.shape) + len(new)]
    old, added = letters[: len(x.data.shape)], letters[len(x.data.shape) :]
    sizes = [wanted[axis] for axis in new]
    layer = keras.layers.EinsumDense(
        f"{old},{added}->{old[0]}{added}{old[1:]}",
        output_shape=(*sizes, *x.data.shape[1:]),
        kernel_initializer="zeros",
        dtype="float32",
    )
    data = call.weighted(layer, x.data, np.ones(sizes, np.float32))
    axes = [
        (new.index(number) + 1,) if number in new else tuple(atom + len(new) for atom in axis)
        for number, axis in enumerate(x.axes)
    ]
    return tensor(data, axes, nonnegative=x.nonnegative)
