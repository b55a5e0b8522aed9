"""Operators that multiply by matrices, normalize, or take sums along axes."""

import math
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

import keras
import numpy as np

from kextract.errors import Refused
from kextract.foreign.onnx.arithmetic import affine
from kextract.foreign.onnx.registry import Registry, axes_of, not_read
from kextract.foreign.onnx.tensors import (
    Array,
    Axes,
    Call,
    Tensor,
    along,
    arranged,
    as_tensor,
    checked,
    in_keras_order,
    reshaped,
    tensor,
    transposed,
    with_last,
)

LINEAR = Registry()


def dense(call: Call, x: Tensor, axis: int, kernel: Array, bias: Array | None = None) -> Tensor:
    """Multiply an axis of ONNX by a matrix (taken, made)."""
    axis = x.axis(axis)
    taken, made = kernel.shape
    if taken != x.shape[axis]:
        raise Refused(f"multiplies {x.shape} by a matrix {kernel.shape}")
    x, reordered = with_last(x, axis)
    layer = keras.layers.Dense(
        made, use_bias=bias is not None, kernel_initializer="zeros", dtype="float32"
    )
    return tensor(call.weighted(layer, x.data, reordered(kernel), bias), x.axes)


@LINEAR("MatMul")
def _matmul(call: Call) -> Tensor:
    one, other = (call.inputs[place] if place < len(call.inputs) else None for place in (0, 1))
    # A third input is the bias that another node would have added.
    bias = call.optional(2)
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return matmul(one, other)
    if isinstance(one, Tensor) and isinstance(other, np.ndarray):
        matrix = _without_batch(other)
        if matrix is None:
            return matmul(one, as_tensor(call, other))
        return dense(call, one, -1, matrix, bias)
    if isinstance(other, Tensor) and isinstance(one, np.ndarray):
        matrix = _without_batch(one)
        if matrix is None or other.rank < 2:
            return matmul(as_tensor(call, one), other)
        return dense(call, other, -2, matrix.T)
    raise Refused("has too few inputs")


def _without_batch(matrix: Array) -> Array | None:
    """Take off leading axes of one number; None where they have more."""
    if matrix.ndim < 2 or math.prod(matrix.shape[:-2]) != 1:
        return None
    found: Array = matrix.reshape(matrix.shape[-2:])
    return found


def matmul(one: Tensor, other: Tensor) -> Tensor:
    """Multiply two tensors, (..., m, k) and (..., k, n)."""
    if one.rank < 2 or other.rank < 2 or one.shape[-1] != other.shape[-2]:
        raise Refused(f"multiplies {one.shape} by {other.shape}")
    rank = max(one.rank, other.rank)
    one, other = (replace(x, axes=((),) * (rank - x.rank) + x.axes) for x in (one, other))
    batch = [axis for axis in range(rank - 2) if one.axes[axis] or other.axes[axis]]
    for axis in batch:
        if len({one.shape[axis], other.shape[axis]} - {1}) > 1:
            raise Refused(f"multiplies {one.shape} by {other.shape}")
    left, right = (arranged(x, [x.axes[axis] for axis in (*batch, -2, -1)]) for x in (one, other))
    product = keras.ops.matmul(left, right)
    places = {axis: place for place, axis in enumerate(batch, 1)}
    last = len(batch) + 1
    axes = [(places[axis],) if axis in places else () for axis in range(rank - 2)]
    return tensor(product, [*axes, (last,), (last + 1,)])


@LINEAR("Gemm")
def _gemm(call: Call) -> Tensor:
    x, matrix = call.tensor(), call.constant(1)
    addend = call.optional(2)
    if x.rank != 2 or matrix.ndim != 2:
        raise Refused(f"multiplies {x.shape} by a matrix {matrix.shape}")
    if call.whole("transA", 0):
        x = transposed(x, (1, 0))
    matrix = matrix.T if call.whole("transB", 0) else matrix
    matrix = matrix * np.float32(call.number("alpha", 1.0))
    if addend is None:
        return dense(call, x, -1, matrix)
    addend = addend.astype(np.float32) * np.float32(call.number("beta", 1.0))
    if addend.size in (1, matrix.shape[1]) and addend.shape[-1:] in ((), (addend.size,)):
        return dense(call, x, -1, matrix, np.broadcast_to(addend.reshape(-1), matrix.shape[1:]))
    product = dense(call, x, -1, matrix)
    return affine(call, product, shift=in_keras_order(product, addend))


@LINEAR("Einsum")
def _einsum(call: Call) -> Tensor:
    equation = call.text("equation", "").replace(" ", "")
    terms, arrow, result = equation.partition("->")
    letters = terms.split(",")
    known = all(term.isalpha() for term in (*letters, result)) and set(result) <= set(
        equation[: -len(result) - 2]
    )
    if not arrow or not known:
        raise not_read(f"computes '{equation[:40]}'")
    tensors = [as_tensor(call, value) for value in call.inputs if value is not None]
    # Keras knows small letters only; one more stands for the images.
    small = dict(zip(dict.fromkeys("".join(letters)), ascii_lowercase[1:], strict=False))
    letters = ["".join(small.get(letter, "") for letter in term) for term in letters]
    result = "".join(small.get(letter, "") for letter in result)
    if len(tensors) != len(letters) or len(set(result)) != len(result):
        raise Refused(f"computes '{equation[:40]}' of {len(tensors)} tensors")
    sizes: dict[str, int] = {}
    for term, x in zip(letters, tensors, strict=True):
        if len(term) != x.rank or len(set(term)) != len(term):
            raise not_read(f"computes '{equation[:40]}'")
        for letter, size in zip(term, x.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise Refused(f"computes '{equation[:40]}' of axes that differ")
    # Axes of one number stay out, the batch among them.
    kept = [[letter for letter in term if sizes[letter] > 1] for term in letters]
    ends = [letter for letter in result if sizes[letter] > 1]
    if not all((*kept, ends)):
        raise not_read(f"computes '{equation[:40]}' of single numbers")
    data = [arranged(x, [axis for axis in x.axes if axis]) for x in tensors]
    of_data = ",".join("a" + "".join(term) for term in kept)
    product = keras.ops.einsum(f"{of_data}->a{''.join(ends)}", *data)
    places = {letter: place for place, letter in enumerate(ends, 1)}
    return tensor(product, [(places[letter],) if letter in places else () for letter in result])


@LINEAR("Attention")
def _attention(call: Call) -> Tensor:
    """Vaswani et al. 2017, section 3.2.1, without a mask."""
    if any(value is not None for value in call.inputs[3:]) or call.used_outputs > 1:
        raise not_read("attends with a mask or with what came before")
    if call.whole("is_causal", 0) or call.number("softcap", 0.0):
        raise not_read("attends to what came before only, or with a softcap")
    query, key, value = (call.tensor(place) for place in range(3))
    flat = query.rank == 3
    if flat:
        query, key, value = (
            _in_heads(x, call.whole(name, 0))
            for x, name in ((query, "q_num_heads"), (key, "kv_num_heads"), (value, "kv_num_heads"))
        )
    if not query.rank == key.rank == value.rank == 4 or query.shape[1] != key.shape[1]:
        raise not_read(f"attends with {query.shape[1:2]} heads to {key.shape[1:2]}")
    scale = call.number("scale", 0.0) or 1 / math.sqrt(query.shape[-1])
    scores = matmul(affine(call, query, scale=scale), transposed(key, (0, 1, 3, 2)))
    mixed = matmul(_softmax(scores, 3), value)
    if flat:
        mixed = transposed(mixed, (0, 2, 1, 3))
        mixed = reshaped(mixed, (*mixed.shape[:2], mixed.shape[2] * mixed.shape[3]))
    return mixed


def _in_heads(x: Tensor, heads: int) -> Tensor:
    batch, length, width = x.shape
    if heads < 1 or width % heads:
        raise Refused(f"has {heads} heads for {width} numbers")
    return transposed(reshaped(x, (batch, length, heads, width // heads)), (0, 2, 1, 3))


def _softmax(x: Tensor, axis: int) -> Tensor:
    x, place = along(x, axis)
    place = -1 if place == len(x.data.shape) - 1 else place
    data = keras.layers.Softmax(place, dtype="float32")(x.data)
    return tensor(data, x.axes, nonnegative=True)


@LINEAR("Softmax", "LogSoftmax")
def _softmax_of_node(call: Call) -> Tensor:
    x = call.tensor()
    old = call.opset < 13
    axis = x.axis(call.whole("axis", 1 if old else -1))
    shape = x.shape
    if old:
        # All axes from this one on are one.
        x = reshaped(x, (*shape[:axis], math.prod(shape[axis:])))
    found = _softmax(x, axis)
    if call.node.op == "LogSoftmax":
        source, place = along(x, axis)
        data = keras.ops.log_softmax(source.data, axis=place)
        found = tensor(data, source.axes)
    return reshaped(found, shape)


@LINEAR("BatchNormalization")
def _batch_normalization(call: Call) -> Tensor:
    if call.whole("training_mode", 0) or not call.whole("spatial", 1):
        raise not_read("normalizes as in training, or every place on its own")
    x = call.tensor()
    weights = [call.constant(place).reshape(-1) for place in range(1, 5)]
    x, place = along(x, x.axis(1))
    layer = keras.layers.BatchNormalization(
        axis=-1 if place == len(x.data.shape) - 1 else place,
        momentum=call.number("momentum", 0.9),
        epsilon=call.number("epsilon", 1e-5),
        dtype="float32",
    )
    return tensor(call.weighted(layer, x.data, *weights), x.axes)


@LINEAR("LayerNormalization")
def _layer_normalization(call: Call) -> Tensor:
    if call.used_outputs > 1:
        raise not_read("gives the mean too")
    x = call.tensor()
    axis, shape = x.axis(call.whole("axis", -1)), x.shape
    x = reshaped(x, (*shape[:axis], math.prod(shape[axis:])))
    scale, bias = call.constant(1).reshape(-1), call.row(2)
    size = x.shape[axis]
    if scale.size != size or (bias is not None and bias.size != size):
        raise not_read(f"normalizes {shape} by weights {scale.shape}")
    x, place = along(x, axis)
    layer = keras.layers.LayerNormalization(
        axis=-1 if place == len(x.data.shape) - 1 else place,
        epsilon=call.number("epsilon", 1e-5),
        center=bias is not None,
        dtype="float32",
    )
    return reshaped(tensor(call.weighted(layer, x.data, scale, bias), x.axes), shape)


@LINEAR("InstanceNormalization", "GroupNormalization")
def _group_normalization(call: Call) -> Tensor:
    x, scale, bias = call.tensor(), call.constant(1).reshape(-1), call.constant(2).reshape(-1)
    if x.rank < 3 or x.shape[0] != 1:
        raise not_read(f"normalizes a tensor of shape {x.shape}")
    channels = x.shape[1]
    groups = channels if call.node.op == "InstanceNormalization" else call.whole("num_groups", 1)
    if groups < 1 or channels % groups:
        raise Refused(f"has {groups} groups for {channels} channels")
    if call.node.op == "GroupNormalization" and call.opset < 21:
        scale, bias = (np.repeat(weight, channels // groups) for weight in (scale, bias))
    x, place = along(x, 1)
    if place != len(x.data.shape) - 1:
        x, _ = with_last(x, 1)
    layer = keras.layers.GroupNormalization(
        groups, axis=-1, epsilon=call.number("epsilon", 1e-5), dtype="float32"
    )
    return tensor(call.weighted(layer, x.data, scale, bias), x.axes)


_SUMS = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceSumSquare": "sum",
    "ReduceL2": "sum",
}


@LINEAR(*_SUMS)
def _reduce(call: Call) -> Tensor:
    x, op = call.tensor(), call.node.op
    wanted = call.listed("axes", 1)
    if not wanted:
        if call.whole("noop_with_empty_axes", 0):
            return x
        wanted = tuple(range(x.rank))
    axes = axes_of(wanted, x.rank)
    nonnegative = x.nonnegative or op in ("ReduceL2", "ReduceSumSquare")
    source = keras.ops.square(x.data) if op in ("ReduceL2", "ReduceSumSquare") else x.data
    data, kept = _summed(source, x.axes, axes, _SUMS[op])
    if op == "ReduceL2":
        data = keras.ops.sqrt(data)
    if not call.whole("keepdims", 1):
        kept = tuple(axis for number, axis in enumerate(kept) if number not in axes)
    return tensor(data, kept, nonnegative=nonnegative)


def _summed(data: Any, axes: Axes, chosen: Sequence[int], function: str) -> tuple[Any, Axes]:
    """Take a mean or another sum along axes of ONNX, which have one number then."""
    atoms = sorted(atom for axis in chosen for atom in axes[axis])
    rest = [atom for atom in range(1, len(data.shape)) if atom not in atoms]
    if not atoms:
        return data, axes
    if not rest:
        data = (
            getattr(keras.ops, function)(data, axis=tuple(atoms[1:]) or None) if atoms[1:] else data
        )
        data = getattr(keras.ops, function)(data, axis=1, keepdims=True)
        return data, ((),) * len(axes)
    pools = {"mean": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    if atoms == [1, 2] and rest == [3] and function in pools:
        data = pools[function](dtype="float32")(data)
    else:
        data = getattr(keras.ops, function)(data, axis=tuple(atoms))
    places = {atom: place for place, atom in enumerate(rest, 1)}
    kept = tuple(tuple(places[atom] for atom in axis if atom in places) for axis in axes)
    return checked(data), kept
