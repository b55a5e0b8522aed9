"""What an ONNX file says, as plain data, and one function per operator, found by its name."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kextract.errors import NotRead, Refused
from kextract.models.axes import Dims
from kextract.models.input_range import Preprocessing
from kextract.text import printable

FLOATS = (1, 10, 11, 16)
"""The numbers of TensorProto.DataType that stand for floats, which all are float32 here."""

F = TypeVar("F", bound=Callable[[Any], Any])


@dataclass(frozen=True, slots=True)
class Node:
    """One operator, applied once."""

    op: str
    name: str
    """Fit for a message."""
    inputs: tuple[str, ...]
    """Names of tensors; empty where an optional one is left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of the network."""

    name: str
    dims: Dims | None
    """The batch included; None for an axis that is left open, and where nothing is said."""
    kind: int = 1
    """The type of its numbers, as TensorProto.DataType has it; 0 where nothing is said."""


@dataclass(slots=True)
class Graph:
    """What one output of a file depends on."""

    nodes: list[Node]
    """In an order in which they can be computed."""
    constants: dict[str, NDArray[Any]]
    image: Port
    output: Port
    opset: int
    output_name: str
    """As the file has it."""
    numbers: str
    """What an image consists of, such as `uint8`."""
    input_ends: tuple[float, float] | None = None
    """What the least and the largest integer of an image stand for, where they have a scale."""
    input_range: Preprocessing | None = None
    """What the file's metadata says that images are."""
    channels_first: bool = False
    """Whether that is the order of an image's axes."""
    notes: tuple[str, ...] = ()
    """What a user should know, each a line."""

    def makers(self) -> dict[str, Node]:
        """Map the name of every tensor that is computed to the node that does."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def uses(self) -> Counter[str]:
        """Count how often each tensor is taken, as the network's output too."""
        counts = Counter(name for node in self.nodes for name in node.inputs if name)
        counts[self.output.name] += 1
        return counts


@dataclass(frozen=True)
class Operation:
    """A node with its inputs, by place, and its attributes, by name and kind."""

    node: Node
    opset: int
    inputs: tuple[Any, ...]
    """Arrays, what depends on the image, and None for what is left out."""

    def value(self, place: int) -> Any:
        """Give an input that must be there, whatever it depends on."""
        if place >= len(self.inputs) or self.inputs[place] is None:
            raise Refused(f"has no input {place}")
        return self.inputs[place]

    def constant(self, place: int) -> NDArray[Any]:
        """Give an input that must be there, and must not depend on the image."""
        self.value(place)
        value = self.optional(place)
        assert value is not None
        return value

    def optional(self, place: int) -> NDArray[Any] | None:
        """Give an input that must not depend on the image, and may be left out."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if value is None or isinstance(value, np.ndarray):
            return value
        raise not_read(f"has an input {place} that depends on the image")

    def row(self, place: int) -> NDArray[Any] | None:
        """Give a constant that may be left out, such as biases, along one axis."""
        value = self.optional(place)
        return None if value is None else value.reshape(-1)

    def scalar(self, place: int, default: float) -> float:
        """Give one number that is a constant input."""
        value = self.optional(place)
        if value is None:
            return default
        if value.size != 1:
            raise Refused(f"has an input {place} of {value.size} numbers; expected one")
        return float(value.reshape(-1)[0])

    def listed(self, name: str, place: int) -> tuple[int, ...] | None:
        """Give whole numbers that are an attribute in old opsets and an input in new ones."""
        if name in self.node.attributes:
            return self.sizes(name)
        return integers(self.optional(place), name)

    def number(self, name: str, default: float) -> float:
        """Give a number. Raises Refused for something else."""
        return float(self._attribute(name, default, (int, float), "a number"))

    def whole(self, name: str, default: int) -> int:
        """Give a whole number. Raises Refused for something else."""
        return int(self._attribute(name, default, (int,), "a whole number"))

    def text(self, name: str, default: str) -> str:
        """Give a text. Raises Refused for something else."""
        return str(self._attribute(name, default, (str,), "a text"))

    def _attribute(self, name: str, default: Any, kinds: tuple[type, ...], what: str) -> Any:
        value = self.node.attributes.get(name, default)
        if not isinstance(value, kinds):
            raise Refused(f"has '{name}' that is not {what}")
        return value

    def sizes(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...] | None:
        """Give whole numbers. Raises Refused for something else."""
        value = self.node.attributes.get(name, default)
        if value is None:
            return None
        if not isinstance(value, Sequence) or not all(isinstance(size, int) for size in value):
            raise Refused(f"has '{name}' that are not whole numbers")
        return tuple(value)


class Registry:
    """Functions by the name of their operator."""

    def __init__(self, *parts: "Registry") -> None:
        self.functions: dict[str, Callable[[Any], Any]] = {}
        for part in parts:
            for op, function in part.functions.items():
                self._add(op, function)

    def __call__(self, *ops: str) -> Callable[[F], F]:
        """Register a function for operators; each may have one."""

        def register(function: F) -> F:
            for op in ops:
                self._add(op, function)
            return function

        return register

    def _add(self, op: str, function: Callable[[Any], Any]) -> None:
        if op in self.functions:
            raise ValueError(f"operator {op} is registered twice")
        self.functions[op] = function


def integers(values: NDArray[Any] | None, what: str) -> tuple[int, ...] | None:
    """Give whole numbers that a node takes as a tensor. Raises Refused for others."""
    if values is None:
        return None
    if values.dtype.kind not in "iub" or values.ndim > 1 or values.size > 64:
        raise Refused(f"takes {what} that are not a few whole numbers")
    return tuple(int(value) for value in values.reshape(-1))


def axes_of(given: Iterable[int], rank: int) -> tuple[int, ...]:
    """Count axes from the front. Raises Refused for one that is not there or there twice."""
    axes = tuple(axis % rank for axis in given if -rank <= axis < rank)
    if len(set(axes)) != len(tuple(given)):
        raise Refused(f"names axes {tuple(given)} of a tensor of {rank}")
    return axes


def target_shape(wanted: Sequence[int], shape: Sequence[int], *, keep_zero: bool) -> list[int]:
    """Say what a Reshape comes to: 0 is the size as it was, -1 whatever is left."""
    sizes = [
        shape[place] if size == 0 and keep_zero and place < len(shape) else size
        for place, size in enumerate(wanted)
    ]
    known = 1
    for size in sizes:
        known *= 1 if size == -1 else size
    total = int(np.prod(shape, dtype=object))
    if sizes.count(-1) == 1 and known > 0 and total % known == 0:
        sizes[sizes.index(-1)] = total // known
    product = int(np.prod(sizes, dtype=object))
    if product != total or any(size < 0 for size in sizes):
        raise Refused(f"makes {tuple(wanted)} of {tuple(shape)}")
    return sizes


def slices(
    shape: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> dict[int, slice]:
    """Say which part of each axis a Slice takes, as Python has it."""
    count = len(starts)
    chosen = axes_of(axes if axes is not None else range(count), len(shape))
    steps = steps if steps is not None else (1,) * count
    if not count == len(ends) == len(chosen) == len(steps) or 0 in steps:
        raise Refused("slices axes without saying from where to where")
    found = {}
    for axis, start, end, step in zip(chosen, starts, ends, steps, strict=True):
        first, last, _ = slice(start, end, step).indices(shape[axis])
        # Where Python would count -1 from the end, the slice goes to the very beginning.
        found[axis] = slice(first, None if last < 0 else last, step)
    return found


def named(node: Node) -> str:
    """Say which node is meant."""
    return f"node '{node.name}' ({printable(node.op)})"


def not_read(what: str) -> NotRead:
    """Say what of a known operator is not read."""
    return NotRead(f"{what}, which is not read")
