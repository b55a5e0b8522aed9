"""How operators of TFLite are written as nodes of ONNX, and what the integers of tensors mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import NotRead, Refused
from kextract.foreign.onnx.registry import Node

Array = NDArray[Any]

INT4 = 17
KINDS = {
    **{0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"},
    **{12: "<u8", 15: "<u4", 16: "<u2", INT4: "i1"},
}
"""How numbers are stored, by TensorType; two of INT4 are in a byte."""

TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
SPARE_NUMBERS = 1 << 22
"""Constants that a network may have beyond four for each byte of its file."""
_OF_ITS_INPUTS = frozenset({"ADD", "MUL", "CONCATENATION", "AVERAGE_POOL_2D", "MAX_POOL_2D"})
"""Operators that make nothing below zero of what is not."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the file says of a tensor."""

    name: str
    shape: tuple[int, ...]
    kind: int
    scale: Array
    """Float64; none for numbers that stand for themselves, one for each place of `axis`, or one."""
    zero: Array
    axis: int
    data: Array | None
    """Constants, as they are stored."""

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers, with or without a scale."""
        return KINDS.get(self.kind, "")[-2:-1] in ("u", "i")

    def real(self) -> Array:
        """Give the numbers that a constant stands for: float32, or integers without a scale."""
        assert self.data is not None, "the caller knows that it is a constant"
        if not self.scale.size:
            return self.data.astype(np.float32) if self.data.dtype.kind == "f" else self.data
        return self.scaled(self.scale, self.zero, self.axis)

    def scaled(self, scale: Array, zero: Array, axis: int) -> Array:
        """Give the numbers that constants stand for if they have these scales."""
        assert self.data is not None, "the caller knows that it is a constant"
        sizes = [-1 if place == axis else 1 for place in range(len(self.shape))]
        scale, zero = (each.reshape(sizes) if each.size > 1 else each for each in (scale, zero))
        with np.errstate(over="ignore", invalid="ignore"):
            return ((self.data.astype(np.float64) - zero) * scale).astype(np.float32)

    def real_ends(self) -> tuple[float, float] | None:
        """Give the real values of the least and the largest number of one byte; else None."""
        if not self.scale.size or not self.is_integer or KINDS[self.kind][-1] != "1":
            return None
        limits = np.iinfo(KINDS[self.kind])
        low, high = (
            float((limit - self.zero[0]) * self.scale[0]) for limit in (limits.min, limits.max)
        )
        return low, high


def unpacked(packed: Array, count: int) -> Array:
    """Take numbers of four bits, the lower half of a byte first, apart."""
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count].astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)


class Places:
    """Names and constants of the graph that is written."""

    def __init__(self, tensors: Sequence[Tensor], file_bytes: int) -> None:
        self.tensors = tensors
        self.sizes_open = False
        """Whether the file leaves the size of images open, so that its shapes are none yet."""
        self.constants: dict[str, Array] = {}
        self.blocks: dict[int, tuple[int, int]] = {}
        """Tensors whose rows and columns are dealt to several images, see `SPACE_TO_BATCH_ND`."""
        self._left = 4 * file_bytes + SPARE_NUMBERS
        self._count = 0

    def name(self, index: int) -> str:
        """Name a tensor of the file; its numbers are kept where it is a constant."""
        name, tensor = f"tensor {index}", self.tensors[index]
        if tensor.data is not None and name not in self.constants:
            self.constants[name] = self.real(tensor)
        return name

    def real(self, tensor: Tensor) -> Array:
        """Give the numbers of a constant. Raises Refused where the file shares too many."""
        self.count(tensor)
        return tensor.real()

    def count(self, tensor: Tensor) -> None:
        """Count the numbers of a constant that is about to be copied."""
        self._left -= tensor.data.size if tensor.data is not None else 0
        if self._left < 0:
            raise Refused("uses the same numbers as constants again and again")

    def keep(self, values: Array) -> str:
        """Keep a constant that is not in the file as it is needed."""
        name = self.new()
        self.constants[name] = values
        return name

    def new(self) -> str:
        """Make up a name."""
        self._count += 1
        return f"made {self._count}"


@dataclass
class Operator:
    """One operator of the file, and the nodes that are written for it."""

    kind: str
    """Its name in the schema, such as `CONV_2D`."""
    number: int
    called: str
    """Its name in a message."""
    raw: Any
    """As the flatbuffer has it."""
    inputs: Sequence[int]
    outputs: Sequence[int]
    places: Places
    options: Any = None
    nodes: list[Node] = field(default_factory=list)

    def tensor(self, place: int = 0, rank: int | None = None) -> Tensor:
        """Give what the file says of an input. Raises Refused where there is none such."""
        if not self.has(place):
            raise Refused(f"has no input {place}")
        found = self.places.tensors[self.inputs[place]]
        if rank is not None and len(found.shape) != rank:
            raise Refused(f"takes a tensor of {len(found.shape)} axes as input {place}, not {rank}")
        return found

    def made(self) -> Tensor:
        """Give what the file says of the output."""
        return self.places.tensors[self.outputs[0]]

    def made_sizes(self) -> list[int]:
        """Give the shape of the output. Raises NotRead where images may have any size."""
        if self.places.sizes_open:
            raise NotRead("makes a tensor of a shape that is computed, which is not read")
        return list(self.made().shape)

    def blocks(self) -> tuple[int, int]:
        """Tell into how many images rows and columns of the first input are dealt: mostly 1, 1."""
        return self.places.blocks.get(self.inputs[0], (1, 1))

    def set_blocks(self, blocks: tuple[int, int]) -> None:
        """Say into how many images rows and columns of the output are dealt."""
        self.places.blocks[self.outputs[0]] = blocks

    def has(self, place: int) -> bool:
        """Tell whether an optional input is there."""
        return place < len(self.inputs) and self.inputs[place] >= 0

    def given(self, place: int = 0) -> str:
        """Name an input in the graph."""
        self.tensor(place)
        return self.places.name(self.inputs[place])

    def constant(self, place: int, rank: int | None = None) -> Array:
        """Give the numbers of a constant input. Raises NotRead for one that is computed."""
        tensor = self.tensor(place, rank)
        if tensor.data is None:
            raise NotRead(f"has an input {place} that is computed, which is not read")
        return self.places.real(tensor)

    def biases(self, place: int, kernel: int) -> list[Array]:
        """Give the biases, if there are any.

        Files of old give those in integers no scale: it is that of the images times the kernel's.
        """
        if not self.has(place):
            return []
        tensor, of_kernel, of_images = self.tensor(place, 1), self.tensor(kernel), self.tensor()
        plain = tensor.data is not None and tensor.is_integer and not tensor.scale.size
        if not plain or of_images.scale.size != 1 or not of_kernel.scale.size:
            return [self.constant(place)]
        scale = of_images.scale * of_kernel.scale
        if scale.size not in (1, tensor.shape[0]):
            raise Refused("has biases that do not fit its kernel's scales")
        self.places.count(tensor)
        return [tensor.scaled(scale, np.zeros(1), 0)]

    def sizes(self, place: int) -> list[int]:
        """Give a constant input of a few whole numbers."""
        tensor = self.tensor(place)
        if not tensor.is_integer or (tensor.data is not None and tensor.data.size > 64):
            raise Refused(f"has an input {place} that is not of a few whole numbers")
        return [int(size) for size in self.constant(place).reshape(-1)]

    def option(self, name: str, default: Any = None) -> Any:
        """Give an option. Raises Refused where it has none, and there is nothing instead."""
        if self.options is not None:
            return getattr(self.options, name)()
        if default is None:
            raise Refused("has no options")
        return default

    def add(self, op: str, *inputs: str | Array, last: bool = False, **attributes: Any) -> str:
        """Write a node of one output and return its name; that of the `last` is the operator's."""
        output = self.places.name(self.outputs[0]) if last else self.places.new()
        self._node(op, inputs, [output], attributes)
        return output

    def add_parts(self, op: str, *inputs: str | Array, **attributes: Any) -> None:
        """Write the node that makes all the outputs of the operator."""
        self._node(op, inputs, [self.places.name(place) for place in self.outputs], attributes)

    def _node(
        self, op: str, inputs: Sequence[str | Array], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        names = [each if isinstance(each, str) else self.places.keep(each) for each in inputs]
        self.nodes.append(
            Node(op, f"{self.kind} {self.number}", tuple(names), tuple(outputs), attributes)
        )

    def finish(self, result: str) -> None:
        """Apply the activation that an operator may have, and give the result its name."""
        activation = self.option("FusedActivationFunction", 0)
        if activation == 0:
            activation = self._by_range()
        match activation:
            case 0:
                self.add("Identity", result, last=True)
            case 1:
                self.add("Relu", result, last=True)
            case 2 | 3:
                low, high = (-1.0, 1.0) if activation == 2 else (0.0, 6.0)
                self.add("Clip", result, number(low), number(high), last=True)
            case 4:
                self.add("Tanh", result, last=True)
            case _:
                raise NotRead(f"has the activation {activation}, which is not read")

    def _by_range(self) -> int:
        """Tell the activation that integers of the output's scale come to.

        Converters leave out a ReLU where nothing below zero, or above six, can be stored anyway.
        """
        ends = self.made().real_ends()
        if ends is None or ends[0] != 0 or (self.kind in _OF_ITS_INPUTS and self._takes_none()):
            return 0
        return 3 if abs(ends[1] - 6) < self.made().scale[0] else 1

    def _takes_none(self) -> bool:
        """Tell whether no input holds numbers below zero."""
        ends = [self.tensor(place).real_ends() for place in range(len(self.inputs))]
        return all(each is not None and each[0] >= 0 for each in ends)


Writer = Callable[[Operator], None]


def number(value: float) -> Array:
    """Make one number a constant."""
    return np.asarray(value, np.float32)


def whole(values: Sequence[int]) -> Array:
    """Make whole numbers a constant."""
    limit = (1 << 63) - 1
    return np.array([max(-limit, min(limit, value)) for value in values], np.int64)
