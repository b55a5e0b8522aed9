"""Where the axes of an ONNX tensor are in the Keras tensor that holds its numbers.

ONNX has channels first, Keras has them last, and always has images along its first axis. So a
tensor here is a Keras tensor of a batch and a list that says for every axis of ONNX which axes of
Keras it is made of: several, where ONNX has flattened them, and none, where it is of one number, as
the batch is: files are read as functions of one image. To transpose, to flatten, to squeeze is then
to change the list, and nothing is computed until a layer wants its axes in an order of its own.

A `Call` is what a function for an operator is given, `Layers` what makes layers with weights.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.onnx.registry import Operation, not_read

MAX_NUMBERS = 1 << 24
"""The most numbers that a tensor may hold per image."""

Axes = tuple[tuple[int, ...], ...]
"""Of each axis in ONNX the axes in Keras that it is made of, the slowest first."""


@dataclass(frozen=True)
class Tensor:
    """What a network computes of an image."""

    data: Any
    """A KerasTensor, (None, ...)."""
    axes: Axes
    """Axes of one number are in no entry."""
    nonnegative: bool = False
    """Whether it is known to hold nothing below zero."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As ONNX sees it."""
        return tuple(math.prod(self.data.shape[atom] for atom in axis) for axis in self.axes)

    @property
    def rank(self) -> int:
        """The number of axes in ONNX."""
        return len(self.axes)

    def axis(self, number: int) -> int:
        """Count an axis from the front. Raises Refused where there is none."""
        if not -self.rank <= number < self.rank:
            raise Refused(f"has no axis {number} in a tensor of {self.rank}")
        return number % self.rank

    def with_data(self, data: Any, *, nonnegative: bool = False) -> "Tensor":
        """Put something of the same axes in the place of the numbers."""
        return Tensor(checked(data), self.axes, nonnegative)


Array = NDArray[Any]
Value = Tensor | Array
"""What depends on the image, and what does not."""


def tensor(data: Any, axes: Iterable[Iterable[int]], *, nonnegative: bool = False) -> Tensor:
    """Make a tensor; axes of Keras of one number are left out."""
    sizes = checked(data).shape
    kept = tuple(tuple(atom for atom in axis if sizes[atom] != 1) for axis in axes)
    return Tensor(data, kept, nonnegative)


def checked(data: Any) -> Any:
    """Raise Refused for a Keras tensor that would hold too much; nothing is computed here."""
    if any(size is None or size < 1 for size in data.shape[1:]):
        raise Refused(f"makes a tensor of the impossible shape {data.shape}")
    if math.prod(data.shape[1:]) > MAX_NUMBERS:
        raise Refused(f"makes more than {MAX_NUMBERS} numbers of one image")
    return data


def arranged(x: Tensor, groups: Sequence[Sequence[int]]) -> Any:
    """Give the Keras tensor with one axis for each group of axes of Keras, in this order.

    A group may be empty, for an axis of one number. Nothing is done where nothing has to be.
    """
    sizes = x.data.shape
    order = [atom for group in groups for atom in group]
    shape = [math.prod(sizes[atom] for atom in group) for group in groups]
    return reshaped_data(permuted(x.data, order), shape)


def permuted(data: Any, order: Sequence[int]) -> Any:
    """Put the axes of Keras into an order; those of one number, which may miss, go to the end."""
    if list(order) == sorted(order):
        return data
    rest = [axis for axis in range(1, len(data.shape)) if axis not in order]
    return keras.layers.Permute((*order, *rest), dtype="float32")(data)


def reshaped_data(data: Any, shape: Sequence[int]) -> Any:
    """Give a Keras tensor these axes after its first."""
    target = tuple(shape) or (1,)
    if tuple(data.shape[1:]) == target:
        return data
    if len(target) == 1:
        return keras.layers.Flatten(dtype="float32")(data)
    return keras.layers.Reshape(target, dtype="float32")(data)


def images(x: Tensor) -> Any:
    """Give (n, h, w, c) of a tensor (1, c, h, w). Raises Refused for any other."""
    if x.rank != 4 or x.shape[0] != 1:
        raise Refused(f"is applied to a tensor of shape {x.shape}, not to one image (1, c, h, w)")
    _, channels, height, width = x.axes
    return arranged(x, [height, width, channels])


def from_images(data: Any, *, nonnegative: bool = False) -> Tensor:
    """See (n, h, w, c) as ONNX does, (1, c, h, w)."""
    return tensor(data, [(), (3,), (1,), (2,)], nonnegative=nonnegative)


def with_last(x: Tensor, axis: int) -> tuple[Tensor, Callable[[Array], Array]]:
    """Make an axis of ONNX the last one in Keras; in whatever order costs least, the rest too.

    Gives with it what takes an array, whose first axis goes over that axis of ONNX, to Keras's
    order.
    """
    sizes, listed = x.data.shape, list(x.axes[axis])
    group = sorted(listed)
    rest = sorted(atom for atoms in x.axes for atom in atoms if atom not in group)
    places = {atom: place for place, atom in enumerate(rest, 1)}
    axes = [tuple(places[atom] for atom in atoms if atom in places) for atoms in x.axes]
    axes[axis] = (len(rest) + 1,)

    def reordered(values: Array) -> Array:
        of_each = values.reshape(*(sizes[atom] for atom in listed), *values.shape[1:])
        order = [listed.index(atom) for atom in group]
        moved = of_each.transpose(*order, *range(len(order), of_each.ndim))
        return np.ascontiguousarray(moved.reshape(values.shape))

    return Tensor(arranged(x, [*((atom,) for atom in rest), group]), tuple(axes)), reordered


def transposed(x: Tensor, order: Sequence[int]) -> Tensor:
    """Put the axes of ONNX into another order."""
    if sorted(order) != list(range(x.rank)):
        raise Refused(f"puts {x.rank} axes into the order {tuple(order)}")
    return replace(x, axes=tuple(x.axes[axis] for axis in order))


def reshaped(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Give a tensor other axes in ONNX, of as many numbers.

    Axes of Keras are split where an end of an axis falls inside of them; where it falls between
    two numbers that no split can part, all are put into ONNX's order.
    """
    if math.prod(shape) != math.prod(x.shape):
        raise Refused(f"makes {tuple(shape)} of {x.shape}, which is another number of numbers")
    atoms = [atom for axis in x.axes for atom in axis]
    sizes = [x.data.shape[atom] for atom in atoms]
    ends = sorted({*_suffixes(sizes), *_suffixes(shape)}, reverse=True)
    if any(more % less for more, less in pairwise(ends)):
        kept = [size for size in shape if size != 1]
        data = reshaped_data(permuted(x.data, atoms), kept)
        places = iter(range(1, len(kept) + 1))
        return tensor(data, [() if size == 1 else (next(places),) for size in shape])
    # In ONNX's order, each piece lies in one axis of Keras and in one axis of the result.
    pieces = [more // less for more, less in pairwise(ends)]
    of_atoms = dict(zip(atoms, _dealt(pieces, sizes), strict=True))
    data, at = x.data, {found[0]: atom for atom, found in of_atoms.items()}
    if any(len(found) > 1 for found in of_atoms.values()):
        order = [piece for atom in sorted(of_atoms) for piece in of_atoms[atom]]
        data = reshaped_data(data, [pieces[piece] for piece in order])
        at = {piece: place for place, piece in enumerate(order, 1)}
    axes = [tuple(at[piece] for piece in found) for found in _dealt(pieces, shape)]
    return tensor(data, axes, nonnegative=x.nonnegative)


def _suffixes(sizes: Sequence[int]) -> list[int]:
    """Give the numbers of numbers after each end of an axis."""
    return [math.prod(sizes[place:]) for place in range(len(sizes) + 1)]


def _dealt(pieces: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Deal pieces, by number, to axes of these sizes, to each as many as make it up."""
    dealt, piece = [], 0
    for size in sizes:
        found, product = list[int](), 1
        while product < size:
            found.append(piece)
            product *= pieces[piece]
            piece += 1
        dealt.append(found)
    return dealt


def aligned(tensors: Sequence[Tensor], whole: int | None = None) -> tuple[list[Any], Axes]:
    """Bring tensors to one number and order of axes in Keras, that of the largest, to be broadcast.

    The axis `whole` is one axis of Keras, whatever its sizes; the others may differ in being 1.
    Raises Refused for tensors that cannot be broadcast.
    """
    rank = max(x.rank for x in tensors)
    padded = [replace(x, axes=((),) * (rank - x.rank) + x.axes) for x in tensors]
    lead = max(padded, key=lambda x: math.prod(x.shape))
    # One entry for each axis in Keras: the axis in ONNX, and the part of it or None for all of it.
    slots: list[tuple[int, int | None]] = []
    for axis in range(rank):
        if axis == whole:
            slots.append((axis, None))
            continue
        if len({x.shape[axis] for x in padded} - {1}) > 1:
            raise Refused(f"broadcasts {' with '.join(str(x.shape) for x in tensors)}")
        if not any(x.axes[axis] for x in padded):
            continue
        parts = {tuple(x.data.shape[atom] for atom in x.axes[axis]) for x in padded if x.axes[axis]}
        if len(parts) == 1 and lead.axes[axis]:
            slots += [(axis, part) for part in range(len(lead.axes[axis]))]
        else:
            slots.append((axis, None))
    slots.sort(key=lambda slot: (lead.axes[slot[0]] or (0,))[slot[1] or 0])
    data = [arranged(x, [_atoms_of(x, *slot) for slot in slots]) for x in padded]
    axes = tuple(
        tuple(place for place, slot in enumerate(slots, 1) if slot[0] == axis)
        for axis in range(rank)
    )
    return data, _parts_in_order(axes, slots)


def _atoms_of(x: Tensor, axis: int, part: int | None) -> tuple[int, ...]:
    atoms = x.axes[axis]
    return atoms if part is None or not atoms else (atoms[part],)


def _parts_in_order(axes: Axes, slots: Sequence[tuple[int, int | None]]) -> Axes:
    return tuple(tuple(sorted(axis, key=lambda place: slots[place - 1][1] or 0)) for axis in axes)


def along(x: Tensor, axis: int) -> tuple[Tensor, int]:
    """Make an axis of ONNX one axis of Keras; give the tensor and the number of the latter."""
    atoms = x.axes[axis]
    if len(atoms) == 1:
        return x, atoms[0]
    rest = sorted(atom for other in x.axes if other != atoms for atom in other)
    before = [atom for atom in rest if atoms and atom < atoms[0]]
    after = [atom for atom in rest if atom not in before]
    data = arranged(x, [*((atom,) for atom in before), atoms, *((atom,) for atom in after)])
    places = {atom: place for place, atom in enumerate(before, 1)}
    places |= {atom: place for place, atom in enumerate(after, len(before) + 2)}
    place = len(before) + 1
    axes = tuple(
        (place,) if number == axis else tuple(places[atom] for atom in other)
        for number, other in enumerate(x.axes)
    )
    # Not by `tensor`: this axis is kept, whatever its size.
    return Tensor(data, axes, x.nonnegative), place


def in_keras_order(x: Tensor, values: Array) -> Array:
    """Arrange an array that is broadcast to `x`, in ONNX's axes, to be broadcast in Keras's.

    The result has as many axes as the Keras tensor has after its first. Raises Refused for an array
    that has more numbers along an axis than `x`.
    """
    if values.ndim > x.rank:
        if math.prod(values.shape[: values.ndim - x.rank]) != 1:
            raise Refused(f"broadcasts {x.shape} with {values.shape}")
        values = values.reshape(values.shape[values.ndim - x.rank :])
    values = values.reshape((1,) * (x.rank - values.ndim) + values.shape)
    sizes, atoms = list[int](), list[int]()
    for axis, size, whole in zip(x.axes, values.shape, x.shape, strict=True):
        if size not in (1, whole):
            raise Refused(f"broadcasts {x.shape} with {values.shape}")
        sizes += [x.data.shape[atom] if size > 1 else 1 for atom in axis]
        atoms += axis
    rest = [axis for axis in range(1, len(x.data.shape)) if axis not in atoms]
    listed = [*atoms, *rest]
    spread = values.reshape(*sizes, *([1] * len(rest)))
    return spread.transpose([listed.index(axis) for axis in range(1, len(x.data.shape))])


MAX_PARAMETERS = 500_000_000
SPARE_PARAMETERS = 1 << 22
"""Weights that a network may have beyond twice the numbers in its file."""
SHARED = 1 << 14
"""The fewest weights that are worth a layer that is applied in several places."""


class Layers:
    """Makes layers of given weights; large weights that are met again get the same layer again."""

    def __init__(self, image: Any, held: int) -> None:
        self._made: dict[str, keras.Layer] = {}
        self._left = min(MAX_PARAMETERS, 2 * held + SPARE_PARAMETERS)
        self.image = image
        """The KerasTensor of the network's input."""

    def apply(self, key: str, layer: keras.Layer, data: Any, weights: Sequence[Array]) -> Any:
        """Apply a layer and fill it with weights that come from the file, or from its shapes.

        `key` says which tensors of the file they are made of, and how.
        """
        size = sum(weight.size for weight in weights)
        if size < SHARED:
            self._count(size)
            return _filled(layer, data, weights)
        key = f"{key} {data.shape[1:]}"
        made = self._made.get(key)
        if made is not None and all(map(np.array_equal, made.get_weights(), weights)):
            return checked(made(data))
        self._count(size)
        self._made[key] = layer
        return _filled(layer, data, weights)

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Refused("has layers with far more weights than its file")


def _filled(layer: keras.Layer, data: Any, weights: Sequence[Array]) -> Any:
    made = checked(layer(data))
    layer.set_weights([np.asarray(weight, np.float32) for weight in weights])
    return made


@dataclass(frozen=True)
class Call(Operation):
    """A node with its inputs, of which at least one depends on the image."""

    layers: Layers
    used_outputs: int
    """How many of the outputs are of interest, counted from the first."""

    def tensor(self, place: int = 0) -> Tensor:
        """Give an input that depends on the image."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(value, Tensor):
            return value
        raise not_read(f"has a constant or nothing as input {place}")

    def weighted(self, layer: keras.Layer, data: Any, *weights: Array | None) -> Any:
        """Apply a layer filled with weights; None are those that it has not."""
        names = [
            "" if isinstance(value, Tensor) else name
            for name, value in zip(self.node.inputs, self.inputs, strict=True)
        ]
        config = {key: value for key, value in layer.get_config().items() if key != "name"}
        key = f"{type(layer).__name__} {config} {names}"
        return self.layers.apply(key, layer, data, [w for w in weights if w is not None])


def as_tensor(call: Call, value: Value) -> Tensor:
    """Make a constant something that there is one of for each image.

    It is the bias of a dense layer whose kernel is zero, so that it is a weight like others.
    """
    if isinstance(value, Tensor):
        return value
    numbers = value.astype(np.float32).reshape(-1)
    image = call.layers.image
    corner = image[(slice(None), *[0] * (len(image.shape) - 2), slice(0, 1))]
    dense = keras.layers.Dense(numbers.size, kernel_initializer="zeros", dtype="float32")
    data = call.weighted(dense, corner, np.zeros((1, numbers.size)), numbers)
    if not numbers.size:
        raise Refused("is given a constant without numbers")
    kept = [size for size in value.shape if size != 1]
    places = iter(range(1, len(kept) + 1))
    data = keras.layers.Reshape(kept, dtype="float32")(data) if len(kept) > 1 else data
    return tensor(data, [() if size == 1 else (next(places),) for size in value.shape])
