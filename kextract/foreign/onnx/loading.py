"""An `.onnx` file as plain data, without trusting it: sizes are compared before memory is used.

Of the file only what one output depends on is decoded. Tensors of floats become float32, all else
keeps its kind. External data is read from regular files in the folder of the model and from nowhere
else.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import MissingExtraError, NotRead, Refused, Unclear
from kextract.foreign.onnx.registry import FLOATS, Graph, Node, Port
from kextract.hdf5.safe_hdf5 import OpenFile
from kextract.models.axes import CHANNELS
from kextract.models.heads import SeveralOutputsError, size_text
from kextract.models.input_range import Preprocessing, recorded_range
from kextract.text import printable

OPSETS = range(7, 24)
MAX_FILE_BYTES = (1 << 31) - 1
"""More cannot be in one protobuf message; larger networks keep their tensors beside it."""
MAX_NODES = 20_000
MAX_INITIALIZERS = 20_000
MAX_TENSOR_BYTES = 4 << 30
"""Of all tensors that the network needs together."""
MAX_RANK = 12
MAX_NAME = 2_000

_OWN_DOMAINS = ("", "ai.onnx")
# By the numbers of TensorProto.DataType: bytes that a number takes; floats become float32.
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
_FLOAT16, _STRING = 10, 8
NUMBERS = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 10: "float16", 11: "double"}
"""What an image may consist of, by the number of its type."""
INPUT_RANGE = "input_range"
"""The metadata property in which `kextract export` says which pixels a file takes."""

_NUMBER_BY_NUMBER = frozenset(
    {"Add", "Sub", "Mul", "Div", "Cast", "Identity", "Clip", "Neg", "Pad", "Relu"}
)
_OF_IMAGES = frozenset(
    {
        *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
        *("BatchNormalization", "InstanceNormalization", "Resize", "Upsample", "LRN"),
    }
)


def load_graph(file: OpenFile, output_name: str | None = None) -> Graph:
    """Read what one output depends on. Raises Refused; RequestError without onnx."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError(f"'{file.path}' needs onnx", "onnx") from None
    from google.protobuf.message import DecodeError

    if file.size > MAX_FILE_BYTES:
        raise Refused(f"has {file.size} bytes; at most {MAX_FILE_BYTES} are read")
    try:
        model = onnx.ModelProto.FromString(file.content())
    except DecodeError:
        raise Refused("is damaged, or is not an ONNX file") from None
    return _Reader(file.path, model).graph(output_name)


class _Reader:
    def __init__(self, path: Path, model: Any) -> None:
        self._path = path
        self._model = model
        self._graph = model.graph
        self._bytes_left = MAX_TENSOR_BYTES

    def graph(self, output_name: str | None) -> Graph:
        opset = self._opset()
        for what, items, most in (
            ("nodes", self._graph.node, MAX_NODES),
            ("initializers", self._graph.initializer, MAX_INITIALIZERS),
        ):
            if len(items) > most:
                raise Refused(f"has {len(items)} {what}; at most {most} are read")
        if self._model.functions or self._graph.sparse_initializer:
            raise NotRead("has functions of its own or sparse tensors, which are not read")
        initializers = {tensor.name: tensor for tensor in self._graph.initializer}
        output = self._output(output_name)
        used, needed = self._needed(output.name, set(initializers))
        nodes = [self._node(node) for node in used]
        image = self._image(needed, initializers)
        constants = {
            name: self._array(tensor) for name, tensor in initializers.items() if name in needed
        }
        return Graph(
            nodes=nodes,
            constants=constants,
            image=image,
            output=output,
            opset=opset,
            output_name=output.name,
            numbers=NUMBERS[image.kind],
            input_range=self._input_range(),
            channels_first=_has_channels_first(image, nodes),
            notes=("computes in float16; read in float32",) if image.kind == _FLOAT16 else (),
        )

    def _input_range(self) -> Preprocessing | None:
        recorded = {entry.key: entry.value for entry in self._model.metadata_props}
        return recorded_range(recorded.get(INPUT_RANGE, ""))

    def _opset(self) -> int:
        versions = [
            entry.version for entry in self._model.opset_import if entry.domain in _OWN_DOMAINS
        ]
        if len(versions) != 1:
            raise Refused("does not say which operators it means (opset_import): it is damaged")
        if versions[0] not in OPSETS:
            raise NotRead(f"is of opset {versions[0]}; read are {OPSETS[0]} to {OPSETS[-1]}")
        return int(versions[0])

    def _output(self, wanted: str | None) -> Port:
        ports = [_port(value) for value in self._graph.output]
        floats = [port for port in ports if port.kind in (0, *FLOATS)]
        if wanted is not None:
            found = [port for port in ports if port.name == wanted]
            if not found:
                raise Unclear(f"has no output '{printable(wanted)}'; it has {_listed(ports)}")
            return found[0]
        if not floats:
            raise NotRead("has no output of floating-point numbers")
        if len(floats) > 1:
            raise SeveralOutputsError(
                f"has {len(floats)} outputs: {_listed(floats)}; say which one"
                " classifies with --output-name",
                {printable(port.name): size_text((port.dims or ())[1:]) for port in floats},
            )
        return floats[0]

    def _needed(self, output: str, given: set[str]) -> tuple[list[Any], set[str]]:
        """Give the nodes that an output depends on, in order, and the names of all they take."""
        makers: dict[str, int] = {}
        known = given | {value.name for value in self._graph.input} | {""}
        for number, node in enumerate(self._graph.node):
            if missing := [name for name in node.input if name not in known]:
                if node.op_type == "Loop" or _subgraphs(node):
                    continue
                raise Refused(f"has nothing called '{printable(missing[0])}', which a node takes")
            for name in node.output:
                if name in makers or (name and name in known):
                    raise Refused(f"has two tensors called '{printable(name)}'")
                if name:
                    makers[name] = number
            known.update(node.output)
        if output not in known:
            raise Refused(f"has nothing that makes its output '{printable(output)}'")
        waiting, needed, numbers = [output], set[str](), set[int]()
        while waiting:
            name = waiting.pop()
            if name in needed:
                continue
            needed.add(name)
            if name in makers and makers[name] not in numbers:
                numbers.add(makers[name])
                waiting += self._graph.node[makers[name]].input
        return [self._graph.node[number] for number in sorted(numbers)], needed

    def _image(self, needed: set[str], initializers: Iterable[str]) -> Port:
        inputs = [
            value
            for value in self._graph.input
            if value.name in needed and value.name not in initializers
        ]
        if len(inputs) != 1:
            raise Refused(f"takes {len(inputs)} inputs; read are networks of one image")
        port = _port(inputs[0])
        if port.kind not in NUMBERS:
            raise NotRead(f"takes an input that is not of {', '.join(NUMBERS.values())}")
        if port.dims is None:
            raise Refused("does not say how many axes its input has")
        return port

    def _node(self, node: Any) -> Node:
        name = printable(node.name or next(iter(node.output), ""))
        op = node.op_type if node.domain in _OWN_DOMAINS else f"{node.domain}.{node.op_type}"
        if len(op) > MAX_NAME:
            raise Refused("has an operator with an endless name")
        if _subgraphs(node):
            raise NotRead(f"node '{name}' is of operator '{printable(op)}': control flow")
        attributes = {attribute.name: self._attribute(attribute) for attribute in node.attribute}
        return Node(op, name, tuple(node.input), tuple(node.output), attributes)

    def _attribute(self, attribute: Any) -> Any:
        match attribute.type:
            case 1:
                return float(attribute.f)
            case 2:
                return int(attribute.i)
            case 3:
                return attribute.s.decode("utf-8", "backslashreplace")
            case 4:
                return self._array(attribute.t)
            case 6:
                return tuple(attribute.floats)
            case 7:
                return tuple(attribute.ints)
            case 8:
                return tuple(text.decode("utf-8", "backslashreplace") for text in attribute.strings)
        raise NotRead(f"attribute '{printable(attribute.name)}' is of a kind that is not read")

    def _array(self, tensor: Any) -> NDArray[Any]:
        """Decode a tensor; what it would take is compared with what is left first."""
        from onnx.numpy_helper import to_array

        where = f"tensor '{printable(tensor.name)}'"
        if tensor.data_type not in _BYTES:
            what = "texts" if tensor.data_type == _STRING else f"type {tensor.data_type}"
            raise NotRead(f"{where} is of {what}, which is not read")
        dims, size = tuple(tensor.dims), _BYTES[tensor.data_type]
        if len(dims) > MAX_RANK or any(axis < 0 for axis in dims):
            raise Refused(f"{where} has the impossible shape {printable(str(dims))}")
        count = math.prod(dims)
        # What is converted to float32 or int64 may grow.
        self._bytes_left -= count * max(size, 4)
        if self._bytes_left < 0:
            raise Refused(f"has more than {MAX_TENSOR_BYTES} bytes of tensors")
        if tensor.data_location == 1:
            tensor.raw_data = self._external(tensor, count * size, where)
            tensor.data_location = 0
        try:
            numbers: NDArray[Any] = to_array(tensor)
        except (ValueError, OverflowError, TypeError):
            raise Refused(
                f"{where} does not have the {count} numbers that its shape needs"
            ) from None
        if tensor.external_data:
            # It is in memory once, not twice.
            tensor.ClearField("raw_data")
        if tensor.data_type not in FLOATS:
            return numbers
        with np.errstate(over="ignore", invalid="ignore"):
            return numbers.astype(np.float32)

    def _external(self, tensor: Any, size: int, where: str) -> bytes:
        """Read the bytes of a tensor from a file beside the model."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        try:
            offset = int(entries.get("offset") or 0)
            length = int(entries.get("length") or size)
        except ValueError:
            raise Refused(f"{where} has external data at no place") from None
        if length != size or offset < 0:
            raise Refused(f"{where} has {length} bytes of external data; expected {size}")
        folder = self._path.resolve().parent
        try:
            file = (folder / location).resolve()
            inside = bool(location) and len(location) < MAX_NAME and file.is_relative_to(folder)
            if not inside or not file.is_file():
                raise Refused(f"{where} is in '{printable(location)}', which is not in its folder")
            with file.open("rb") as stream:
                if offset + size > file.stat().st_size:
                    raise Refused(f"{where} goes beyond the end of '{printable(location)}'")
                stream.seek(offset)
                found: bytes = stream.read(size)
                return found
        except (OSError, ValueError) as error:
            raise Refused(f"'{printable(location)}' beside it cannot be read ({error})") from None


def _has_channels_first(image: Port, nodes: Iterable[Node]) -> bool:
    """Tell the order of an image's axes by what is done to it first, else by its sizes."""
    names = {image.name}
    for node in nodes:
        if not node.inputs or node.inputs[0] not in names:
            continue
        if node.op in _NUMBER_BY_NUMBER:
            names.update(node.outputs)
        elif node.op in _OF_IMAGES:
            return True
        elif node.op == "Transpose" and node.attributes.get("perm") == (0, 3, 1, 2):
            return False
    axes = (image.dims or ())[1:]
    return len(axes) != 3 or axes[0] in CHANNELS or axes[2] not in CHANNELS


def _subgraphs(node: Any) -> bool:
    return any(attribute.type in (5, 10) for attribute in node.attribute)


def _port(value: Any) -> Port:
    """Say what is known of an input or output."""
    if not value.type.HasField("tensor_type"):
        kind = 0 if value.type.WhichOneof("value") is None else -1
        return Port(value.name, None, kind)
    tensor = value.type.tensor_type
    dims = None
    if tensor.HasField("shape"):
        dims = tuple(
            size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None
            for size in tensor.shape.dim
        )
    return Port(value.name, dims, tensor.elem_type)


def _listed(ports: Iterable[Port]) -> str:
    def texts() -> Iterator[str]:
        for port in ports:
            sizes = "x".join("?" if size is None else str(size) for size in port.dims or ())
            yield f"'{printable(port.name)}'" + (f" ({sizes})" if sizes else "")

    return ", ".join(texts())
