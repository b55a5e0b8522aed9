"""A `.tflite` file as a graph of ONNX nodes, without trusting it.

Offsets in the file are followed by TensorFlow's reader of flatbuffers, which is Python and checks
them against the file; what it gives is checked here before it is used. Constants stay where they
are in the file until an operator needs them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kextract import runtime
from kextract.errors import NotRead, Refused, Unclear
from kextract.foreign.onnx.registry import Graph, Node, Port
from kextract.foreign.tflite import operators  # noqa: F401 - they register themselves
from kextract.foreign.tflite.writing import (
    INT4,
    KINDS,
    WRITERS,
    Array,
    Operator,
    Places,
    Tensor,
    unpacked,
)
from kextract.models.heads import SeveralOutputsError, size_text
from kextract.text import error_line, printable

OPSET = 20
"""Of the nodes that are written."""
MAX_FILE_BYTES = (1 << 31) - 1
MAX_OBJECTS = 20_000
"""Operators, tensors or buffers."""
MAX_LINKS = 200_000
"""Inputs and outputs of all operators."""
MAX_RANK = 6
MAX_SIZE = 1 << 31

_MARK, _MARK_PLACE = b"TFL3", 4
_EXTERNAL_FROM = 2
"""The least offset of a buffer that is behind the flatbuffer; smaller ones mean none."""
_OF_BLOCKS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_TO_SPACE_ND"})
"""Operators that may be applied between `SPACE_TO_BATCH_ND` and its opposite."""
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, KeyError)
"""What reading a damaged flatbuffer raises."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one output of a file depends on."""

    graph: Graph
    image: Tensor
    output: Tensor


def load_graph(path: Path, output_name: str | None = None) -> Loaded:
    """Read what one output depends on.

    Raises Refused for what is damaged, NotRead for an operator that is not known, by name.
    """
    content = _content(path)
    runtime.start()  # The schema is in TensorFlow, which logs a greeting at its first import.
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        return _File(schema, content).loaded(output_name)
    except _DAMAGE as error:
        reason = printable(error_line(error))
        raise Refused(f"is damaged, or is not a TFLite file ({reason})") from error


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise Refused("is not a regular file" if path.exists() else "no such file")
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise Refused(f"has {size} bytes; at most {MAX_FILE_BYTES} are read")
    content = path.read_bytes()
    if content[_MARK_PLACE : _MARK_PLACE + len(_MARK)] != _MARK:
        raise Refused("is not a TFLite file")
    return content


class _File:
    def __init__(self, schema: Any, content: bytes) -> None:
        self._schema = schema
        self._bytes = len(content)
        self._model = schema.Model.GetRootAs(content, 0)
        if self._model.SubgraphsLength() < 1:
            raise Refused("holds no network")
        self._graph = self._model.Subgraphs(0)
        counts = (
            self._graph.OperatorsLength(),
            self._graph.TensorsLength(),
            self._model.BuffersLength(),
        )
        if max(counts) > MAX_OBJECTS:
            raise Refused(f"has more than {MAX_OBJECTS} operators, tensors or buffers")
        self._names = {
            number: name
            for name, number in vars(schema.BuiltinOperator).items()
            if isinstance(number, int)
        }
        self._tensors = [self._tensor(self._graph.Tensors(place)) for place in range(counts[1])]
        self._operators = [self._graph.Operators(place) for place in range(counts[0])]
        self._check_links()

    def loaded(self, output_name: str | None) -> Loaded:
        graph, tensors = self._graph, self._tensors
        if graph.InputsLength() != 1:
            raise Refused(f"has {graph.InputsLength()} inputs; a classifier of images has one")
        image = graph.Inputs(0)
        if not 0 <= image < len(tensors) or tensors[image].data is not None:
            raise Refused("takes an image in a tensor that is not there")
        if tensors[image].kind not in KINDS or tensors[image].kind == INT4:
            raise Refused("takes something else than numbers")
        output = self._output(output_name)
        self._unpack_constants()
        dims = self._dims(image)
        places = Places(tensors, self._bytes, sizes_open=None in dims[1:])
        names = [places.name(index) for index in (image, output)]
        nodes = [
            node for place in self._needed(image, output) for node in self._nodes(place, places)
        ]
        return Loaded(
            Graph(
                nodes=nodes,
                constants=places.constants,
                image=Port(names[0], dims, 1),
                output=Port(names[1], None, 1),
                opset=OPSET,
            ),
            image=tensors[image],
            output=tensors[output],
        )

    def _check_links(self) -> None:
        """Raise Refused for operators whose inputs and outputs are not there, or too many."""
        left, count = MAX_LINKS, len(self._tensors)
        for place, operator in enumerate(self._operators):
            left -= operator.InputsLength() + operator.OutputsLength()
            if left < 0:
                raise Refused(f"has operators of more than {MAX_LINKS} inputs and outputs")
            made = _outputs(operator)
            if any(not -1 <= index < count for index in _inputs(operator)) or any(
                not 0 <= index < count for index in made
            ):
                raise Refused(f"{self._called(place)} takes or makes a tensor that is not there")

    def _dims(self, image: int) -> tuple[int | None, ...]:
        """Give the axes of an image, None for those that the file leaves open."""
        signature = self._graph.Tensors(image).ShapeSignatureAsNumpy()
        sizes = self._tensors[image].shape
        open_axes = [-1 if size < 0 else 1 for size in np.atleast_1d(signature)[:MAX_RANK]]
        if isinstance(signature, int) or len(open_axes) != len(sizes):
            return sizes
        return tuple(
            None if axis < 0 else size for axis, size in zip(open_axes, sizes, strict=True)
        )

    def _output(self, wanted: str | None) -> int:
        """Choose the output. Raises Unclear, naming all, where there are several."""
        outputs = _outputs(self._graph)
        if not outputs or any(not 0 <= index < len(self._tensors) for index in outputs):
            raise Refused("has no output")
        named = {self._tensors[index].name: index for index in outputs}
        listed = ", ".join(
            f"'{printable(name)}' ({'x'.join(map(str, self._tensors[index].shape))})"
            for name, index in named.items()
        )
        if wanted is not None:
            if wanted not in named:
                raise Unclear(f"has no output '{printable(wanted)}'; it has {listed}")
            return named[wanted]
        if len(outputs) != 1:
            raise SeveralOutputsError(
                f"has {len(outputs)} outputs: {listed}; say which one classifies"
                " with --output-name",
                {
                    printable(name): size_text(self._tensors[index].shape[1:])
                    for name, index in named.items()
                },
            )
        return outputs[0]

    def _unpack_constants(self) -> None:
        """See constants through what makes floats of them, such as weights kept in float16."""
        for place, operator in enumerate(self._operators):
            if self._kind(place) == "DEQUANTIZE" and operator.InputsLength() == 1:
                (given,), (made, *_) = _inputs(operator), _outputs(operator)
                if given >= 0 and self._tensors[given].data is not None:
                    packed = self._tensors[given]
                    self._tensors[made] = replace(packed, name=self._tensors[made].name)

    def _needed(self, image: int, output: int) -> list[int]:
        """List the operators that an output depends on, in an order that they can be done in."""
        makers: dict[int, int] = {}
        known = {
            -1,
            image,
            *(n for n, tensor in enumerate(self._tensors) if tensor.data is not None),
        }
        for place, operator in enumerate(self._operators):
            taken = _inputs(operator)
            if not known.issuperset(taken):
                raise Refused(f"{self._called(place)} takes a tensor that nothing made before")
            for index in _outputs(operator):
                if index in makers or index == image:
                    raise Refused(f"{self._called(place)} makes a tensor that was there before")
                makers[index] = place
                known.add(index)
        if output not in known:
            raise Refused("has nothing that makes its output")
        waiting, needed = [output], set[int]()
        while waiting:
            index = waiting.pop()
            made_by = makers.get(index)
            if self._is_computed(index) and made_by is not None and made_by not in needed:
                needed.add(made_by)
                waiting += _inputs(self._operators[made_by])
        return sorted(needed)

    def _is_computed(self, index: int) -> bool:
        return index >= 0 and self._tensors[index].data is None

    def _nodes(self, place: int, places: Places) -> list[Node]:
        """Write the nodes of an operator."""
        operator, kind = self._operators[place], self._kind(place)
        if kind not in _OF_BLOCKS and any(index in places.blocks for index in _inputs(operator)):
            raise NotRead(f"{self._called(place)} takes every other row, which is not read")
        if kind not in WRITERS:
            raise NotRead(f"{self._called(place)} is of an operator that is not read")
        options, write = WRITERS[kind]
        made = Operator(
            kind,
            place,
            options=self._options(operator, options),
            inputs=_inputs(operator),
            outputs=_outputs(operator),
            places=places,
        )
        if len(_outputs(operator)) != 1 and not kind.startswith("SPLIT"):
            raise Refused(f"{self._called(place)} has {len(_outputs(operator))} outputs")
        try:
            write(made)
        except Refused as error:
            raise type(error)(f"{self._called(place)} {error}") from error
        except _DAMAGE as error:
            reason = printable(error_line(error))
            raise Refused(f"{self._called(place)} is damaged ({reason})") from error
        return made.nodes

    def _called(self, place: int) -> str:
        """Name an operator in a message."""
        kind = self._kind(place)
        if kind == "CUSTOM":
            code = self._model.OperatorCodes(self._operators[place].OpcodeIndex())
            kind = f"custom '{printable(code.CustomCode() or b'')}'"
        return f"operator {place} ({kind})"

    def _kind(self, place: int) -> str:
        code = self._model.OperatorCodes(self._operators[place].OpcodeIndex())
        # Numbers above 127 are in the newer field only.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return str(self._names.get(number, number))

    def _options(self, operator: Any, kind: str) -> Any:
        """Return an operator's options, None where it has none."""
        table = operator.BuiltinOptions()
        if not kind or table is None:
            return None
        if operator.BuiltinOptionsType() != getattr(self._schema.BuiltinOptions, kind):
            raise Refused(f"has options of another kind than {kind}")
        options = getattr(self._schema, kind)()
        options.Init(table.Bytes, table.Pos)
        return options

    def _tensor(self, tensor: Any) -> Tensor:
        name = (tensor.Name() or b"").decode("utf-8", "backslashreplace")
        shape = tuple(tensor.Shape(place) for place in range(min(tensor.ShapeLength(), 99)))
        if len(shape) > MAX_RANK or any(not 0 <= size < MAX_SIZE for size in shape):
            raise Refused(f"has a tensor '{printable(name)}' of shape {shape[:9]}")
        found = tensor.Quantization()
        scale, zero, axis = np.zeros(0), np.zeros(0), 0
        if found is not None and found.ScaleLength():
            axis, count = found.QuantizedDimension(), found.ScaleLength()
            fits = count == 1 or (0 <= axis < len(shape) and shape[axis] == count)
            if not fits or found.ZeroPointLength() not in (0, 1, count):
                raise Refused(f"has a tensor '{printable(name)}' whose scales do not fit")
            # A copy for each tensor: millions of scales that thousands share are not for networks.
            if count > MAX_LINKS:
                raise Refused(f"has a tensor '{printable(name)}' of {count} scales")
            scale = np.array(found.ScaleAsNumpy(), np.float64)
            zero = np.zeros(1)
            if found.ZeroPointLength():
                zero = np.array(found.ZeroPointAsNumpy(), np.float64)
            if not np.isfinite(scale).all():
                raise Refused(f"has a tensor '{printable(name)}' whose scales are not finite")
        data = self._data(tensor, shape, name)
        return Tensor(name, shape, tensor.Type(), scale, zero, axis, data)

    def _data(self, tensor: Any, shape: Sequence[int], name: str) -> Array | None:
        """Return what a constant holds; None for a tensor that is computed."""
        buffer = self._model.Buffers(tensor.Buffer())
        if buffer.Offset() >= _EXTERNAL_FROM:
            raise NotRead("keeps its numbers behind the network, which is not read")
        size = buffer.DataLength()
        if not size:
            return None
        where = f"has a constant '{printable(name)}'"
        if tensor.Type() not in KINDS:
            raise NotRead(f"{where} of a type that is not read")
        if tensor.Sparsity() is not None:
            raise NotRead(f"{where} that is sparse, which is not read")
        dtype, count = np.dtype(KINDS[tensor.Type()]), int(np.prod(shape, dtype=object))
        expected = (count + 1) // 2 if tensor.Type() == INT4 else count * dtype.itemsize
        if size != expected:
            raise Refused(f"{where} of {size} bytes; its shape {tuple(shape)} needs {expected}")
        stored = buffer.DataAsNumpy()
        if tensor.Type() == INT4:
            return unpacked(stored, count).reshape(shape)
        return np.frombuffer(stored, dtype).reshape(shape)


def _inputs(operator: Any) -> list[int]:
    return [operator.Inputs(place) for place in range(operator.InputsLength())]


def _outputs(operator: Any) -> list[int]:
    return [operator.Outputs(place) for place in range(min(operator.OutputsLength(), MAX_OBJECTS))]
