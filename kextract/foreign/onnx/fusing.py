"""Several nodes that are one layer: biases, and activations that exporters write out in full.

Only the graph changes, and only where the result is the same but for rounding. Nodes that nothing
depends on any more are left out.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from kextract.foreign.onnx.calls import Array
from kextract.foreign.onnx.graph import Graph, Node

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
        self._makers: dict[str, Node] = {}
        self.nodes: list[Node] = []

    def add(self, node: Node) -> None:
        """Put a node behind the others, or one that does what they did together."""
        if node.op == "Add" and len(node.inputs) == 2:
            node = self._biased(node)
        elif node.op in ("Mul", "Div") and len(node.inputs) == 2:
            node = self._activation(node)
        self.nodes.append(node)
        self._makers.update((name, node) for name in node.outputs)

    def _made_by(self, name: str, *ops: str) -> Node | None:
        node = self._makers.get(name)
        return node if node is not None and node.op in ops and node.inputs else None

    def _scalar(self, name: str) -> float | None:
        value = self._constants.get(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def _biased(self, node: Node) -> Node:
        """Give a convolution or a matrix the bias that is added afterwards."""
        for source, name in (node.inputs, node.inputs[::-1]):
            maker, value = self._made_by(source, "Conv", "MatMul"), self._constants.get(name)
            if maker is None or value is None or self._uses[source] != 1 or len(maker.inputs) != 2:
                continue
            kernel = self._constants.get(maker.inputs[1])
            if kernel is not None and _is_bias(maker.op, kernel, value):
                bias = f"{node.outputs[0]} bias"
                self._constants[bias] = value.reshape(-1)
                return replace(maker, inputs=(*maker.inputs, bias), outputs=node.outputs)
        return node

    def _activation(self, node: Node) -> Node:
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


def _is_bias(op: str, kernel: Array, value: Array) -> bool:
    """Tell whether a constant has one number for each channel that is made, along its axis."""
    if op == "MatMul":
        return (
            kernel.ndim == 2
            and value.ndim >= 1
            and value.shape[-1] == kernel.shape[1] == value.size
        )
    shape = (1,) * (4 - value.ndim) + value.shape
    return kernel.ndim == 4 and len(shape) == 4 and shape == (1, kernel.shape[0], 1, 1)
