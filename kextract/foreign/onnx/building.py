"""From a graph to a functional Keras model."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import keras
import numpy as np

from kextract.errors import NotRead, Refused
from kextract.foreign.onnx.arithmetic import ARITHMETIC
from kextract.foreign.onnx.convolving import WINDOWS
from kextract.foreign.onnx.folding import Folder
from kextract.foreign.onnx.fusing import fuse
from kextract.foreign.onnx.linear import LINEAR
from kextract.foreign.onnx.registry import Graph, Node, Registry, named
from kextract.foreign.onnx.shaping import REARRANGING, SHAPING
from kextract.foreign.onnx.tensors import Call, Layers, Tensor, Value, arranged, as_tensor, tensor
from kextract.text import printable

OPERATORS = Registry(ARITHMETIC, LINEAR, REARRANGING, SHAPING, WINDOWS)
"""All that are read, each with its function."""
MAX_CLASSES = 1 << 16

_HEADS = {"Softmax": "softmax", "LogSoftmax": "logits", "Sigmoid": "sigmoid"}
_LINEAR = ("Add", "Conv", "Gemm", "MatMul")
# What may stand between the end of a network and its softmax.
_PASSING = frozenset(
    {"Identity", "Cast", "Flatten", "Squeeze", "Unsqueeze", "Reshape", "Dropout", "Transpose"}
)


def build(graph: Graph, sizes: Sequence[int]) -> tuple[keras.Model, str]:
    """Build the network for images of these sizes, without the batch, in the file's own order.

    With it comes what it ended in: `softmax` or `sigmoid`, which is gone; `logits`; or `unknown`,
    of which outputs tell.

    Raises NotRead, naming a node, for what is not known, and Refused for what does not fit.
    """
    held = sum(value.size for value in graph.constants.values()) + sum(
        value.size
        for node in graph.nodes
        for value in node.attributes.values()
        if isinstance(value, np.ndarray)
    )
    folder = Folder(graph.opset, 4 * held)
    _fold_constants(graph, folder)
    fuse(graph)
    image = _image(graph.channels_first, sizes)
    builder = _Builder(graph, folder, Layers(image.data, held), image)
    output = builder.run()
    if not isinstance(output, Tensor):
        raise Refused("gives the same for all images")
    shape = output.shape
    if len([size for size in shape if size != 1]) > 1 or not shape:
        raise Refused(f"gives an image a tensor of shape {shape}, not a number per class")
    if max(shape) > MAX_CLASSES:
        raise Refused(f"gives {max(shape)} numbers per image; at most {MAX_CLASSES} classes")
    outputs = arranged(output, [[atom for axis in output.axes for atom in axis]])
    return keras.Model(image.data, outputs), builder.head


def _image(channels_first: bool, sizes: Sequence[int]) -> Tensor:
    if len(sizes) == 3 and channels_first:
        channels, height, width = sizes
        data = keras.Input((height, width, channels), dtype="float32", name="image")
        return tensor(data, [(), (3,), (1,), (2,)])
    data = keras.Input(tuple(sizes), dtype="float32", name="image")
    return tensor(data, [(), *((axis,) for axis in range(1, len(sizes) + 1))])


def _fold_constants(graph: Graph, folder: Folder) -> None:
    """Compute what depends on no image; the nodes that do it are left out.

    What nothing else takes is forgotten at once: kernels may be computed in many steps.
    """
    constants, left, uses, made = graph.constants, [], graph.uses(), set[str]()
    for node in graph.nodes:
        if all(name in constants or not name for name in node.inputs):
            with _of(node):
                results = folder.fold(node, [constants.get(name) for name in node.inputs])
            if results:
                constants.update(zip(node.outputs, results, strict=False))
                made.update(node.outputs)
                uses.subtract(node.inputs)
                for name in {name for name in node.inputs if name and not uses[name]}:
                    value = constants.pop(name)
                    if name in made:
                        folder.forget(value)
                continue
        left.append(node)
    graph.nodes = left


def find_end(graph: Graph) -> Node | None:
    """Find the node that makes the outputs, the order of axes aside, if only they depend on it."""
    makers, uses, name = graph.makers(), graph.uses(), graph.output.name
    while uses[name] == 1 and (node := makers.get(name)) is not None and node.inputs:
        if node.op not in _PASSING:
            return node
        name = node.inputs[0]
    return None


def _is_head(node: Node, value: Value | None, opset: int) -> bool:
    """Tell a sigmoid, or a softmax over all that there is of one image."""
    if node.op not in _HEADS or not isinstance(value, Tensor):
        return False
    if node.op == "Sigmoid":
        return True
    shape = value.shape
    axis = node.attributes.get("axis", 1 if opset < 13 else -1)
    if not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return False
    axis %= len(shape)
    over = shape[axis:] if opset < 13 else shape[axis : axis + 1]
    return bool(np.prod(over) == np.prod(shape))


class _Builder:
    """Goes through the nodes of a graph, in order."""

    def __init__(self, graph: Graph, folder: Folder, layers: Layers, image: Tensor) -> None:
        self._graph = graph
        self._folder = folder
        self._layers = layers
        self._image = image
        self.head = "unknown"

    def run(self) -> Value:
        """Apply all nodes but a final softmax or sigmoid, whose input is the output then."""
        values: dict[str, Value] = {**self._graph.constants, self._graph.image.name: self._image}
        uses, end = self._graph.uses(), find_end(self._graph)
        if end is not None and end.op in _LINEAR:
            self.head = "logits"
        for node in self._graph.nodes:
            inputs = tuple(values[name] if name else None for name in node.inputs)
            used = [place for place, name in enumerate(node.outputs, 1) if uses[name]]
            made: Sequence[Value | None] = inputs[:1]
            if node is end and _is_head(node, inputs[0], self._graph.opset):
                self.head = _HEADS[node.op]
            else:
                with _of(node):
                    made = self._apply(node, inputs, max(used, default=1))
            for name, value in zip(node.outputs, made, strict=False):
                if value is not None:
                    values[name] = value
        return values[self._graph.output.name]

    def _apply(
        self, node: Node, inputs: tuple[Value | None, ...], used: int
    ) -> Sequence[Value | None]:
        known = [value for value in inputs if not isinstance(value, Tensor)]
        if len(known) == len(inputs) and (results := self._folder.fold(node, known)):
            return results
        function = OPERATORS.functions.get(node.op)
        if function is None:
            raise NotRead("is of an operator that is not read")
        call = Call(node, self._graph.opset, inputs, self._layers, used)
        if len(known) == len(inputs) and known and known[0] is not None:
            # Keras computes it, again and again, of what is the same for all images.
            call = replace(call, inputs=(as_tensor(call, known[0]), *inputs[1:]))
        made = function(call)
        return made if isinstance(made, list) else [made]


@contextmanager
def _of(node: Node) -> Iterator[None]:
    """Say which node an error is about; Keras raises whatever comes to hand."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Refused as error:
        raise type(error)(f"{named(node)} {error}") from error
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise Refused(f"{named(node)} cannot be built: {printable(reason)}") from error
