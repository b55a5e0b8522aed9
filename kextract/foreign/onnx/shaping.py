"""Operators that put numbers elsewhere: most of them change no more than a list of axes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.onnx.arithmetic import affine, broadcast
from kextract.foreign.onnx.linear import dense
from kextract.foreign.onnx.registry import (
    Operation,
    Registry,
    axes_of,
    integers,
    not_read,
    slices,
    target_shape,
)
from kextract.foreign.onnx.tensors import (
    Array,
    Call,
    Tensor,
    aligned,
    along,
    as_tensor,
    checked,
    from_images,
    images,
    reshaped,
    reshaped_data,
    tensor,
    transposed,
)

REARRANGING = Registry()
"""Operators that do the same to a constant as to what depends on the image."""
SHAPING = Registry()
MAX_PARTS = 64
"""The most pieces that a tensor is put together from where they do not follow on each other."""
Matrix = NDArray[np.float32]
MAX_SIDE = 4096


def _in_axes(x: Any, shape: Sequence[int]) -> Any:
    return reshaped(x, shape) if isinstance(x, Tensor) else x.reshape(shape)


def _parts(x: Any, parts: dict[int, slice]) -> Any:
    if isinstance(x, Tensor):
        return sliced(x, parts)
    return x[tuple(parts.get(axis, slice(None)) for axis in range(x.ndim))]


@REARRANGING("Reshape")
def _reshape(call: Operation) -> Any:
    x, wanted = call.value(0), call.listed("shape", 1) or ()
    return _in_axes(x, target_shape(wanted, x.shape, keep_zero=not call.whole("allowzero", 0)))


@REARRANGING("Flatten")
def _flatten(call: Operation) -> Any:
    x, axis = call.value(0), call.whole("axis", 1)
    rank = len(x.shape)
    if not -rank <= axis <= rank:
        raise Refused(f"flattens {rank} axes from axis {axis} on")
    return _in_axes(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@REARRANGING("Transpose")
def _transpose(call: Operation) -> Any:
    x = call.value(0)
    order = call.sizes("perm") or tuple(reversed(range(len(x.shape))))
    return transposed(x, order) if isinstance(x, Tensor) else x.transpose(order)


@REARRANGING("Squeeze")
def _squeeze(call: Operation) -> Any:
    x = call.value(0)
    wanted = call.listed("axes", 1)
    if wanted is None:
        wanted = tuple(axis for axis, size in enumerate(x.shape) if size == 1)
    axes = axes_of(wanted, len(x.shape))
    if any(x.shape[axis] != 1 for axis in axes):
        raise Refused(f"squeezes axes {axes} of {x.shape}")
    return _in_axes(x, [size for axis, size in enumerate(x.shape) if axis not in axes])


@REARRANGING("Unsqueeze")
def _unsqueeze(call: Operation) -> Any:
    x, wanted = call.value(0), call.listed("axes", 1) or ()
    rank = len(x.shape) + len(wanted)
    new, old = axes_of(wanted, rank), iter(x.shape)
    return _in_axes(x, [1 if axis in new else next(old) for axis in range(rank)])


@REARRANGING("Shape")
def _shape(call: Operation) -> Array:
    """Give a shape, since opset 15 perhaps a part of one."""
    end = call.node.attributes.get("end")
    return np.asarray(call.value(0).shape, np.int64)[call.whole("start", 0) : end]


@REARRANGING("Size")
def _size(call: Operation) -> Array:
    return np.asarray(math.prod(call.value(0).shape), np.int64)


@REARRANGING("Split")
def _split(call: Operation) -> list[Any]:
    x, count = call.value(0), len(call.node.outputs)
    (axis,) = axes_of([call.whole("axis", 0)], len(x.shape))
    whole, sizes = x.shape[axis], call.listed("split", 1)
    if sizes is None:
        part = -(-whole // count)
        sizes = tuple(min(part, whole - part * place) for place in range(count))
    if len(sizes) != count or sum(sizes) != whole or min(sizes) < 1:
        raise Refused(f"splits {whole} into {sizes}")
    ends = np.cumsum(sizes).tolist()
    return [
        _parts(x, {axis: slice(end - size, end, 1)}) for size, end in zip(sizes, ends, strict=True)
    ]


@REARRANGING("Slice")
def _slice(call: Operation) -> Any:
    x = call.value(0)
    return _parts(
        x,
        slices(
            x.shape,
            call.listed("starts", 1) or (),
            call.listed("ends", 2) or (),
            call.listed("axes", 3),
            integers(call.optional(4), "steps"),
        ),
    )


def sliced(x: Tensor, parts: dict[int, slice]) -> Tensor:
    """Take parts along axes of ONNX, none of them empty."""
    for axis, part in parts.items():
        if not range(x.shape[axis])[part]:
            raise Refused("takes an empty part of a tensor")
        if part == slice(0, x.shape[axis], 1) or x.shape[axis] == 1:
            continue
        x, place = along(x, axis)
        data = x.data[(*[slice(None)] * place, part)]
        x = tensor(checked(data), x.axes, nonnegative=x.nonnegative)
    return x


@REARRANGING("Concat")
def _concat(call: Any) -> Any:
    parts = [value for value in call.inputs if value is not None]
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts, axis=call.whole("axis", 0))
    tensors = [as_tensor(call, part) for part in parts]
    return concatenated(tensors, tensors[0].axis(call.whole("axis", 0)))


def concatenated(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Put tensors behind each other along an axis of ONNX."""
    shapes = {(*x.shape[:axis], 0, *x.shape[axis + 1 :]) for x in tensors}
    if len(shapes) != 1:
        raise Refused(f"puts tensors of shapes {[x.shape for x in tensors][:4]} together")
    if len(tensors) == 1:
        return tensors[0]
    parts, axes = aligned(tensors, whole=axis)
    (place,) = axes[axis]
    place = -1 if place == len(parts[0].shape) - 1 else place
    data = keras.layers.Concatenate(axis=place, dtype="float32")(parts)
    return tensor(checked(data), axes, nonnegative=all(x.nonnegative for x in tensors))


@SHAPING("Expand")
def _expand(call: Call) -> Tensor:
    return broadcast(call, call.tensor(), integers(call.constant(1), "a shape") or ())


@SHAPING("Tile")
def _tile(call: Call) -> Tensor:
    x, repeats = call.tensor(), integers(call.constant(1), "repeats") or ()
    if len(repeats) != x.rank or not all(1 <= count <= MAX_PARTS for count in repeats):
        raise not_read(f"repeats {x.shape} by {repeats}")
    for axis, count in enumerate(repeats):
        x = concatenated([x] * count, axis)
    return x


@SHAPING("Gather")
def _gather(call: Call) -> Tensor:
    x, places = call.tensor(), call.constant(1)
    axis = x.axis(call.whole("axis", 0))
    if places.ndim > 1 or places.dtype.kind not in "iu" or not places.size:
        raise not_read("takes numbers by a table of places")
    size = x.shape[axis]
    wanted = [int(place) for place in places.reshape(-1)]
    if not all(-size <= place < size for place in wanted):
        raise Refused(f"takes places beyond {size}")
    wanted = [place % size for place in wanted]
    runs = _runs(wanted)
    if len(runs) > MAX_PARTS:
        raise not_read(f"takes numbers from more than {MAX_PARTS} places")
    found = concatenated([sliced(x, {axis: part}) for part in runs], axis)
    if places.ndim == 0:
        found = replace(found, axes=found.axes[:axis] + found.axes[axis + 1 :])
    return found


def _runs(places: Sequence[int]) -> list[slice]:
    """Group places into slices of those that follow on each other, up or down."""
    if len(places) > 1 and all(a - b == 1 for a, b in pairwise(places)):
        return [slice(places[0], places[-1] - 1 if places[-1] else None, -1)]
    found = []
    for _, group in groupby(enumerate(places), lambda pair: pair[1] - pair[0]):
        run = [place for _, place in group]
        found.append(slice(run[0], run[-1] + 1, 1))
    return found


@SHAPING("DepthToSpace")
def _depth_to_space(call: Call) -> Tensor:
    x, block = call.tensor(), call.whole("blocksize", 1)
    if x.rank != 4 or block < 1 or x.shape[1] % (block * block):
        raise Refused(f"makes space of {x.shape} in blocks of {block}")
    batch, channels, height, width = x.shape
    inner = channels // (block * block)
    if call.text("mode", "DCR") == "DCR":
        parts, order = (batch, block, block, inner, height, width), (0, 3, 4, 1, 5, 2)
    else:
        parts, order = (batch, inner, block, block, height, width), (0, 1, 4, 2, 5, 3)
    moved = transposed(reshaped(x, parts), order)
    return reshaped(moved, (batch, inner, height * block, width * block))


@SHAPING("SpaceToDepth")
def _space_to_depth(call: Call) -> Tensor:
    x, block = call.tensor(), call.whole("blocksize", 1)
    if x.rank != 4 or block < 1 or x.shape[2] % block or x.shape[3] % block:
        raise Refused(f"makes depth of {x.shape} in blocks of {block}")
    batch, channels, height, width = x.shape
    parts = (batch, channels, height // block, block, width // block, block)
    moved = transposed(reshaped(x, parts), (0, 3, 5, 1, 2, 4))
    return reshaped(moved, (batch, channels * block * block, height // block, width // block))


@SHAPING("Pad")
def _pad(call: Call) -> Tensor:
    x = call.tensor()
    pads = call.listed("pads", 1) or ()
    fill = call.number("value", 0.0) if call.opset < 11 else call.scalar(2, 0.0)
    axes = axes_of(integers(call.optional(3), "axes") or range(x.rank), x.rank)
    if len(pads) != 2 * len(axes) or any(abs(size) > 1 << 14 for size in pads):
        raise Refused(f"pads {len(axes)} axes by {len(pads)} numbers")
    mode = call.text("mode", "constant")
    ends = {
        axis: (before, after)
        for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False)
        if before or after
    }
    cut = {
        axis: slice(max(0, -before), x.shape[axis] - max(0, -after), 1)
        for axis, (before, after) in ends.items()
        if min(before, after) < 0
    }
    if any(part.start >= part.stop for part in cut.values()):
        raise Refused("cuts off more than there is")
    x = sliced(x, cut)
    grown = {axis: (max(0, before), max(0, after)) for axis, (before, after) in ends.items()}
    grown = {axis: pair for axis, pair in grown.items() if any(pair)}
    if not grown:
        return x
    if mode == "constant":
        if not abs(fill) <= 1e4:
            raise not_read(f"pads by {fill:g}")
        inner = affine(call, x, shift=-fill) if fill else x
        outer = _zero_padded(inner, grown)
        return affine(call, outer, shift=fill) if fill else outer
    if mode not in ("reflect", "edge"):
        raise not_read(f"pads in mode '{mode[:20]}'")
    for axis, (before, after) in grown.items():
        size = x.shape[axis]
        if mode == "reflect" and max(before, after) >= size:
            raise Refused("reflects more than there is")
        if max(before, after) > MAX_PARTS:
            raise not_read(f"pads by more than {MAX_PARTS}")
        first = [slice(0, 1, 1)] * before
        last = [slice(size - 1, size, 1)] * after
        if mode == "reflect":
            first = [slice(before, 0, -1)] if before else []
            end = size - 2 - after
            last = [slice(size - 2, end if end >= 0 else None, -1)] if after else []
        parts = [sliced(x, {axis: part}) for part in first]
        parts += [x, *(sliced(x, {axis: part}) for part in last)]
        x = concatenated(parts, axis)
    return x


def _zero_padded(x: Tensor, ends: dict[int, tuple[int, int]]) -> Tensor:
    """Put zeros before and after, along any axes."""
    if x.rank == 4 and set(ends) <= {2, 3} and x.shape[0] == 1:
        pads = tuple(ends.get(axis, (0, 0)) for axis in (2, 3))
        data = keras.layers.ZeroPadding2D(pads, dtype="float32")(images(x))
        return from_images(checked(data), nonnegative=x.nonnegative)
    for axis, pair in ends.items():
        x, place = along(x, axis)
        sizes = x.data.shape[1:]
        rows = math.prod(sizes[: place - 1])
        rest = math.prod(sizes[place:])
        flat = reshaped_data(x.data, (rows, sizes[place - 1], rest))
        flat = checked(keras.layers.ZeroPadding2D(((0, 0), pair), dtype="float32")(flat))
        shape = (*sizes[: place - 1], sizes[place - 1] + sum(pair), *sizes[place:])
        x = tensor(reshaped_data(flat, shape), x.axes, nonnegative=x.nonnegative)
    return x


@SHAPING("Resize", "Upsample")
def _resize(call: Call) -> Tensor:
    x = call.tensor()
    place = 1 if call.node.op == "Upsample" or call.opset < 11 else 2
    scales = call.optional(place)
    if "scales" in call.node.attributes:
        scales = np.asarray(call.node.attributes["scales"], np.float32)
    if scales is not None and (scales.size == 0 or scales.dtype.kind != "f"):
        scales = None
    sizes = integers(call.optional(3), "sizes") if place == 2 else None
    made, factors = output_sizes(call, x.shape, scales, sizes or None)
    for size, new in zip(x.shape, made, strict=True):
        if size * new > 1 << 22:
            raise not_read(f"resizes {size} to {new}")
    matrices = {
        axis: matrix(call, size, new, factor)
        for axis, (size, new, factor) in enumerate(zip(x.shape, made, factors, strict=True))
        if size != new or factor != 1
    }
    if x.rank == 4 and set(matrices) <= {2, 3} and all(map(_repeats, matrices.values())):
        times = tuple(made[axis] // x.shape[axis] for axis in (2, 3))
        if times == (1, 1):
            return x
        data = keras.layers.UpSampling2D(times, dtype="float32")(images(x))
        return from_images(checked(data), nonnegative=x.nonnegative)
    for axis, values in matrices.items():
        x = dense(call, x, axis, values)
    return x


def _repeats(values: Array) -> bool:
    """Tell whether a matrix repeats each number as often as every other."""
    size, made = values.shape
    return made % size == 0 and np.array_equal(
        values, np.repeat(np.eye(size), made // size, axis=1)
    )


def output_sizes(
    call: Operation,
    shape: Sequence[int],
    scales: NDArray[np.float32] | None,
    sizes: Sequence[int] | None,
) -> tuple[list[int], list[float]]:
    """Give sizes and scales of all axes of a Resize. Raises Refused where they do not fit."""
    axes = call.sizes("axes") or tuple(range(len(shape)))
    given = sizes if sizes is not None else scales
    if given is None or len(given) != len(axes):
        raise Refused("does not say how large its output is")
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch" or call.whole("antialias", 0):
        raise not_read("keeps the aspect ratio, or smooths")
    made, factors = list(shape), [1.0] * len(shape)
    for axis, wanted in zip(axes, given, strict=True):
        if not -len(shape) <= axis < len(shape) or not 0 < wanted <= MAX_SIDE:
            raise Refused(f"resizes axis {axis} by {wanted}")
        factors[axis] = float(wanted) if sizes is None else wanted / shape[axis]
        made[axis] = int(wanted) if sizes is not None else int(np.floor(shape[axis] * wanted))
        if not 0 < made[axis] <= MAX_SIDE:
            raise Refused(f"resizes axis {axis} to {made[axis]}")
    return made, factors


def matrix(call: Operation, size: int, made: int, factor: float) -> Matrix:
    """Give the matrix (size, made) that an axis is multiplied by."""
    upsample = call.node.op == "Upsample" or call.opset < 11
    mode = call.text("mode", "nearest")
    default = "asymmetric" if upsample else "half_pixel"
    places = _places(
        call.text("coordinate_transformation_mode", default), size, made, np.float64(factor)
    )
    found = np.zeros((size, made), np.float64)
    columns = np.arange(made)
    if mode == "nearest":
        rule = call.text("nearest_mode", "floor" if upsample else "round_prefer_floor")
        found[_nearest(rule, places).clip(0, size - 1), columns] = 1
    elif mode in ("linear", "bilinear"):
        places = places.clip(0, size - 1)
        low = np.floor(places).astype(int)
        part = places - low
        np.add.at(found, (low, columns), 1 - part)
        np.add.at(found, ((low + 1).clip(0, size - 1), columns), part)
    elif mode == "cubic":
        low = np.floor(places).astype(int)
        weights = _cubic(places - low, call.number("cubic_coeff_a", -0.75))
        outside = call.whole("exclude_outside", 0)
        for tap, weight in zip(range(-1, 3), weights, strict=True):
            there = (low + tap >= 0) & (low + tap < size) if outside else True
            np.add.at(found, ((low + tap).clip(0, size - 1), columns), weight * there)
        found /= found.sum(axis=0) if outside else 1
    else:
        raise not_read(f"resizes in mode '{mode[:20]}'")
    return found.astype(np.float32)


def _places(rule: str, size: int, made: int, factor: np.float64) -> NDArray[np.float64]:
    """Say where in the old axis each number of the new one is; the formulas are the standard's."""
    new = np.arange(made, dtype=np.float64)
    if rule == "half_pixel" or (rule == "pytorch_half_pixel" and made > 1):
        return (new + 0.5) / factor - 0.5
    if rule == "pytorch_half_pixel":
        return np.zeros(made)
    if rule == "asymmetric":
        return new / factor
    if rule == "align_corners":
        return new * (size - 1) / (made - 1) if made > 1 else np.zeros(made)
    if rule == "tf_half_pixel_for_nn":
        return (new + 0.5) / factor
    if rule == "half_pixel_symmetric":
        center = size / 2 * (1 - made / (factor * size))
        return center + (new + 0.5) / factor - 0.5
    raise not_read(f"resizes by the coordinates '{rule[:30]}'")


def _nearest(rule: str, places: NDArray[np.float64]) -> NDArray[np.int64]:
    functions: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    if rule not in functions:
        raise not_read(f"rounds by '{rule[:20]}'")
    return np.asarray(functions[rule](places)).astype(np.int64)


def _cubic(part: NDArray[np.float64], a: float) -> list[NDArray[np.float64]]:
    """Weights of the four neighbours; Keys 1981, equation 15, there with a = -1/2."""

    def near(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(part + 1), near(part), near(1 - part), far(2 - part)]
