"""What an ONNX file says, as plain data: nodes, constants, and who takes what."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Dims = tuple[int | None, ...]


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
    kind: int
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
    producer: str
    """The program that wrote the file, fit for a message."""

    def makers(self) -> dict[str, Node]:
        """Map the name of every tensor that is computed to the node that does."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def uses(self) -> Counter[str]:
        """Count how often each tensor is taken, as the network's output too."""
        counts = Counter(name for node in self.nodes for name in node.inputs if name)
        counts[self.output.name] += 1
        return counts
