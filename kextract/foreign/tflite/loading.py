"""A `.tflite` file as a graph of ONNX nodes, without trusting it.

Offsets in the file are followed by TensorFlow's reader of flatbuffers, which is Python and checks
them against the file; what it gives is checked here before it is used. Constants stay where they
are in the file until an operator needs them.
"""

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kextract import runtime
from kextract.errors import NotRead, Refused, Unclear
from kextract.foreign.onnx.registry import Graph, Node, Port
from kextract.foreign.tflite.operators import WRITERS
from kextract.foreign.tflite.writing import INT4, KINDS, Array, Operator, Places, Tensor, unpacked
from kextract.hdf5.safe_hdf5 import OpenFile
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


def load_graph(file: OpenFile, output_name: str | None = None) -> Graph:
    """Read what one output depends on.

    Raises Refused for what is damaged, NotRead for an operator that is not known, by name.
    """
    content = _content(file)
    runtime.start()  # The schema is in TensorFlow, which logs a greeting at its first import.
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        return _File(schema, content).graph(output_name)
    except _DAMAGE as error:
        reason = printable(error_line(error))
        raise Refused(f"is damaged, or is not a TFLite file ({reason})") from error


def _content(file: OpenFile) -> bytes:
    if file.size > MAX_FILE_BYTES:
        raise Refused(f"has {file.size} bytes; at most {MAX_FILE_BYTES} are read")
    content = file.content()
    if content[_MARK_PLACE : _MARK_PLACE + len(_MARK)] != _MARK:
        raise Refused("is not a TFLite file")
    return content


class _File:
    def __init__(self, schema: Any, content: bytes) -> None:
        self._schema = schema
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
        self._places = Places(self._tensors, len(content))
        self._links_left = MAX_LINKS
        self._operators = [self._operator(place) for place in range(counts[0])]

    def graph(self, output_name: str | None) -> Graph:
        tensors = self._tensors
        if (count := self._graph.InputsLength()) != 1:
            raise Refused(f"has {count} inputs; a classifier of images has one")
        image = self._graph.Inputs(0)
        if not 0 <= image < len(tensors) or tensors[image].data is not None:
            raise Refused("takes an image in a tensor that is not there")
        if tensors[image].kind not in KINDS or tensors[image].kind == INT4:
            raise Refused("takes something else than numbers")
        output = self._output(output_name)
        self._unpack_constants()
        dims, places = self._dims(image), self._places
        places.sizes_open = None in dims[1:]
        names = [places.name(index) for index in (image, output)]
        nodes = [node for operator in self._needed(image, output) for node in self._nodes(operator)]
        return Graph(
            nodes=nodes,
            constants=places.constants,
            image=Port(names[0], dims),
            output=Port(names[1], None),
            opset=OPSET,
            output_name=tensors[output].name,
            numbers=np.dtype(KINDS[tensors[image].kind]).name,
            input_ends=tensors[image].real_ends(),
        )

    def _operator(self, place: int) -> Operator:
        """Read an operator. Raises Refused where inputs or outputs are not there, or too many."""
        raw = self._graph.Operators(place)
        self._links_left -= raw.InputsLength() + raw.OutputsLength()
        if self._links_left < 0:
            raise Refused(f"has operators of more than {MAX_LINKS} inputs and outputs")
        code = self._model.OperatorCodes(raw.OpcodeIndex())
        # Numbers above 127 are in the newer field only.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = str(self._names.get(number, number))
        shown = f"custom '{printable(code.CustomCode() or b'')}'" if kind == "CUSTOM" else kind
        inputs = [raw.Inputs(place) for place in range(raw.InputsLength())]
        outputs = [raw.Outputs(place) for place in range(raw.OutputsLength())]
        operator = Operator(
            kind, place, f"operator {place} ({shown})", raw, inputs, outputs, self._places
        )
        there = range(len(self._tensors))
        if not all(index in there for index in (*outputs, *inputs) if index != -1) or -1 in outputs:
            raise Refused(f"{operator.called} takes or makes a tensor that is not there")
        return operator

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
        count = min(self._graph.OutputsLength(), MAX_OBJECTS)
        outputs = [int(self._graph.Outputs(place)) for place in range(count)]
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
        for operator in self._operators:
            if operator.kind == "DEQUANTIZE" and len(operator.inputs) == 1:
                (given,), (made, *_) = operator.inputs, operator.outputs
                if given >= 0 and self._tensors[given].data is not None:
                    packed = self._tensors[given]
                    self._tensors[made] = replace(packed, name=self._tensors[made].name)

    def _needed(self, image: int, output: int) -> list[Operator]:
        """List the operators that an output depends on, in an order that they can be done in."""
        constants = {n for n, tensor in enumerate(self._tensors) if tensor.data is not None}
        makers: dict[int, Operator] = {}
        known = {-1, image, *constants}
        for operator in self._operators:
            if not known.issuperset(operator.inputs):
                raise Refused(f"{operator.called} takes a tensor that nothing made before")
            for index in operator.outputs:
                if index in makers or index == image:
                    raise Refused(f"{operator.called} makes a tensor that was there before")
                makers[index] = operator
                known.add(index)
        if output not in known:
            raise Refused("has nothing that makes its output")
        waiting, needed = [output], set[int]()
        while waiting:
            index = waiting.pop()
            made_by = makers.get(index)
            if index not in constants and made_by is not None and made_by.number not in needed:
                needed.add(made_by.number)
                waiting += made_by.inputs
        return [self._operators[number] for number in sorted(needed)]

    def _nodes(self, operator: Operator) -> list[Node]:
        """Write the nodes of an operator."""
        called, dealt = operator.called, self._places.blocks
        if operator.kind not in _OF_BLOCKS and not dealt.keys().isdisjoint(operator.inputs):
            raise NotRead(f"{called} takes every other row, which is not read")
        if operator.kind not in WRITERS:
            raise NotRead(f"{called} is of an operator that is not read")
        options, write = WRITERS[operator.kind]
        operator.options = self._options(operator.raw, options)
        if len(operator.outputs) != 1 and not operator.kind.startswith("SPLIT"):
            raise Refused(f"{called} has {len(operator.outputs)} outputs")
        try:
            write(operator)
        except Refused as error:
            raise type(error)(f"{called} {error}") from error
        except _DAMAGE as error:
            raise Refused(f"{called} is damaged ({printable(error_line(error))})") from error
        return operator.nodes

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
