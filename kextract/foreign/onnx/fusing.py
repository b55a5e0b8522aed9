"""Several nodes that are one layer: what is done to each channel, and activations in parts.

Only the graph changes, and only where the result is the same but for rounding. Nodes that nothing
depends on any more are left out.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.foreign.onnx.registry import FLOATS, Graph, Node

Array = NDArray[Any]
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
Product = tuple[float, list[str]]
"""A number times tensors, by name."""


def fuse(graph: Graph) -> None:
    """Make fewer nodes of a graph whose constants are computed."""
    fuser = _Fuser(graph)
    for node in graph.nodes:
        fuser.add(node)
    graph.nodes = _needed(fuser.nodes, graph.output.name)


def _needed(nodes: list[Node], output: str) -> list[Node]:
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed & set(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


class _Fuser:
    def __init__(self, graph: Graph) -> None:
        self._constants = graph.constants
        self._uses = graph.uses()
        self._output = graph.output.name
        self._makers: dict[str, Node] = {}
        self._same: dict[str, str] = {}
        self._of_shapes: set[str] = set()
        self.nodes: list[Node] = []

    def add(self, node: Node) -> None:
        """Put a node behind the others, or one that does what they did together."""
        node = replace(node, inputs=tuple(self._same.get(name, name) for name in node.inputs))
        if node.op in ("Shape", "Size") or self._is_of_shapes(node):
            self._of_shapes.update(node.outputs)
        elif self._changes_nothing(node):
            (source, *_), (name, *_) = node.inputs, node.outputs
            self._same[name] = source
            self._uses[source] += self._uses[name] - 1
            return
        if node.op in _ARITHMETIC and len(node.inputs) == 2:
            merged = self._merged(node)
            node = self._activation(node) if merged is None else merged
        self.nodes.append(node)
        self._makers.update((name, node) for name in node.outputs)

    def _made_by(self, name: str, *ops: str) -> Node | None:
        node = self._makers.get(name)
        return node if node is not None and node.op in ops and node.inputs else None

    def _scalar(self, name: str) -> float | None:
        value = self._constants.get(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def _is_of_shapes(self, node: Node) -> bool:
        """Tell arithmetic with sizes, which are whole numbers until they are cast."""
        return all(
            name in self._of_shapes or name in self._constants or not name for name in node.inputs
        )

    def _changes_nothing(self, node: Node) -> bool:
        known = node.op in ("Identity", "Dropout") or (
            node.op == "Cast" and node.attributes.get("to") in FLOATS
        )
        wanted = [name for name in node.outputs if self._uses[name]]
        return known and wanted == [*node.outputs[:1]] != [self._output] and bool(node.inputs)

    def _merged(self, node: Node) -> Node | None:
        """Take what is done to each channel into the convolution or the matrix that makes it."""
        turned = node.inputs[::-1] if node.op in ("Add", "Mul") else node.inputs
        for source, name in (node.inputs, turned):
            maker, value = self._made_by(source, "Conv", "MatMul"), self._constants.get(name)
            if maker is None or value is None or self._uses[source] != 1 or len(maker.inputs) > 3:
                continue
            kernel, *bias = (self._constants.get(name) for name in maker.inputs[1:])
            if kernel is None or not _is_by_channel(maker.op, kernel, value):
                continue
            biases = [one for one in bias if one is not None and one.shape == (value.size,)]
            # A kernel that others take too would be there twice.
            if len(biases) < len(bias) or self._uses[maker.inputs[1]] > 1:
                continue
            row = value.reshape(-1).astype(np.float32)
            if node.op in ("Mul", "Div"):
                with np.errstate(all="ignore"):
                    factor = row if node.op == "Mul" else 1 / row
                shape = (1, -1) if maker.op == "MatMul" else (-1, 1, 1, 1)
                made = [kernel * factor.reshape(shape), *(one * factor for one in biases)]
            else:
                shift = row if node.op == "Add" else -row
                made = [kernel, biases[0] + shift if biases else shift]
            del self._constants[maker.inputs[1]]
            names = [f"{node.outputs[0]} weights {place}" for place in range(len(made))]
            self._constants.update(zip(names, made, strict=True))
            return replace(maker, inputs=(maker.inputs[0], *names), outputs=node.outputs)
        return None

    def _activation(self, node: Node) -> Node:
        if node.op not in ("Mul", "Div"):
            return node
        for factor, names in self._products(node):
            for x, other in (names, names[::-1]) if len(names) == 2 else ():
                if op := self._gate(x, other, factor):
                    return Node(op, node.name, (x,), node.outputs)
            raised = self._raised(names[0]) if len(names) == 1 else None
            if raised and math.isclose(factor, 1 / 6, rel_tol=1e-3):
                return Node("HardSigmoid", node.name, (raised,), node.outputs, {"alpha": 1 / 6})
        return node

    def _gate(self, x: str, other: str, factor: float) -> str | None:
        """Name the activation that is x times `other`, which is made of x, times a number."""
        if factor == 1:
            if (sigmoid := self._made_by(other, "Sigmoid")) and sigmoid.inputs[0] == x:
                return "Swish"
            if (hard := self._made_by(other, "HardSigmoid")) and hard.inputs[0] == x:
                slope, start = hard.attributes.get("alpha", 0.2), hard.attributes.get("beta", 0.5)
                usual = isinstance(slope, float) and math.isclose(slope, 1 / 6, rel_tol=1e-3)
                return "HardSwish" if usual and start == 0.5 else None
            if (tanh := self._made_by(other, "Tanh")) and (
                soft := self._made_by(tanh.inputs[0], "Softplus")
            ):
                return "Mish" if soft.inputs[0] == x else None
        if math.isclose(factor, 1 / 6, rel_tol=1e-3) and self._raised(other) == x:
            return "HardSwish"
        if factor == 0.5 and self._error_function_of(other) == x:
            return "Gelu"
        return None

    def _raised(self, name: str) -> str | None:
        """Give x where a tensor is x + 3, kept within 0 and 6."""
        clip = self._made_by(name, "Clip")
        if clip is None:
            return None
        low, high = (
            clip.attributes.get(end)
            if len(clip.inputs) == 1
            else self._scalar(clip.inputs[place] if place < len(clip.inputs) else "")
            for place, end in ((1, "min"), (2, "max"))
        )
        return self._plus(clip.inputs[0], 3) if (low, high) == (0, 6) else None

    def _plus(self, name: str, number: float) -> str | None:
        """Give x where a tensor is x plus a number."""
        if (node := self._made_by(name, "Add")) and len(node.inputs) == 2:
            for x, other in (node.inputs, node.inputs[::-1]):
                if self._scalar(other) == number:
                    return x
        return None

    def _error_function_of(self, name: str) -> str | None:
        """Give x where a tensor is 1 + erf(x / sqrt(2))."""
        erf = self._made_by(self._plus(name, 1) or "", "Erf")
        node = self._made_by(erf.inputs[0], "Mul", "Div") if erf else None
        for factor, names in self._products(node) if node else ():
            if len(names) == 1 and math.isclose(factor, math.sqrt(0.5), rel_tol=1e-3):
                return names[0]
        return None

    def _products(self, node: Node) -> Iterator[Product]:
        """See a node as a product, with its factors taken apart or not."""
        whole = self._product(node)
        if whole is None:
            return
        yield whole
        factor, names = whole
        for place, name in enumerate(names):
            inner = self._made_by(name, "Mul", "Div")
            if inner and (product := self._product(inner)):
                rest = names[:place] + names[place + 1 :]
                yield factor * product[0], product[1] + rest

    def _product(self, node: Node) -> Product | None:
        factor, names = 1.0, list[str]()
        for place, name in enumerate(node.inputs):
            number = self._scalar(name)
            if number is None and node.op == "Div" and place:
                return None
            if number is None:
                names.append(name)
            elif node.op == "Div":
                if place == 0 or number == 0:
                    return None
                factor /= number
            else:
                factor *= number
        return factor, names


def _is_by_channel(op: str, kernel: Array, value: Array) -> bool:
    """Tell whether a constant has one number for each channel that is made, along its axis."""
    if op == "MatMul":
        is_row = value.ndim in (1, 2) and value.shape[-1] == value.size
        return kernel.ndim == 2 and is_row and value.size == kernel.shape[1]
    shape = (1,) * (4 - value.ndim) + value.shape
    return kernel.ndim == 4 and shape == (1, kernel.shape[0], 1, 1)
