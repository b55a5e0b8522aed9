"""Tiny networks in TFLite files, written operator by operator, and what LiteRT makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema

Array = NDArray[Any]
KINDS = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "uint8": schema.TensorType.UINT8,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
}


_VERSIONS = {"FULLY_CONNECTED": 4, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "BROADCAST_TO": 2}
"""Of operators whose first version LiteRT does not have, or has without their options."""


class Writer:
    """A network under construction; tensors are told by number, and 0 is the image."""

    def __init__(
        self, image: Sequence[int], kind: str = "float32", scale: float = 0.0, zero: int = 0
    ) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = b"made by hand"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._graph.inputs, self._graph.outputs = [0], []
        self.model.subgraphs = [self._graph]
        self.tensor((1, *image), kind, scale, zero, name="image")

    def tensor(
        self,
        shape: Sequence[int] = (),
        kind: str = "float32",
        scale: float | Sequence[float] = 0.0,
        zero: int = 0,
        axis: int = 0,
        *,
        name: str = "",
        data: Array | None = None,
    ) -> int:
        """Add a tensor; one that is computed gets its shape from the interpreter."""
        made = schema.TensorT()
        made.shape, made.type, made.buffer = list(shape), KINDS[kind], 0
        made.name = (name or f"tensor {len(self._graph.tensors)}").encode()
        scales = [float(each) for each in np.atleast_1d(scale)]
        if any(scales):
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = scales
            made.quantization.zeroPoint = [zero] * len(scales)
            made.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def constant(
        self, data: Any, scale: float | Sequence[float] = 0.0, zero: int = 0, axis: int = 0
    ) -> int:
        """Add a constant, of the numbers as they are stored."""
        data = np.asarray(data)
        return self.tensor(data.shape, data.dtype.name, scale, zero, axis, data=data)

    def add(
        self, kind: str, *inputs: int, made: int | None = None, options: str = "", **values: Any
    ) -> int:
        """Add an operator and give the number of its output."""
        made = self.tensor() if made is None else made
        self.add_parts(kind, inputs, [made], options, **values)
        return made

    def add_parts(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str = "",
        **values: Any,
    ) -> None:
        """Add an operator that makes tensors of these numbers."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in values.items():
                assert hasattr(operator.builtinOptions, name), name
                setattr(operator.builtinOptions, name, value)
        self._graph.operators.append(operator)

    def _code(self, kind: str) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get(kind, 1)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def rows(self, place: int) -> int:
        """Make one row of a tensor of floats."""
        return self.add("RESHAPE", place, self.constant(np.array([1, -1], np.int32)))

    def save(self, path: Path, *outputs: int, tried: bool = True) -> Path:
        """Write the file; shapes of what is computed are those that the interpreter finds."""
        self._graph.outputs = list(outputs)
        path.write_bytes(packed(self.model))
        if not tried:
            return path
        interpreter = _interpreter(path)
        shapes = {
            each["index"]: each["shape"].tolist() for each in interpreter.get_tensor_details()
        }
        for place, tensor in enumerate(self._graph.tensors):
            tensor.shape = shapes.get(place, tensor.shape)
        path.write_bytes(packed(self.model))
        return path


def packed(model: Any) -> bytes:
    """Give the bytes of a file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _interpreter(path: Path) -> Any:
    """Start LiteRT without what computes several operators at once, and hides what is between."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    found = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
    found.allocate_tensors()
    return found


def by_litert(path: Path, images: Array) -> NDArray[np.float32]:
    """Run a file on each image, of real values, on its own; give the real values, (n, k)."""
    interpreter = _interpreter(path)
    (taken,), (given, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for image in images:
        interpreter.set_tensor(taken["index"], stored(image[None], taken))
        interpreter.invoke()
        scale, zero = given["quantization"]
        found = interpreter.get_tensor(given["index"]).reshape(-1)
        rows.append((found.astype(np.float32) - zero) * scale if scale else found)
    return np.stack(rows).astype(np.float32)


def stored(real: Array, about: Any) -> Array:
    """Give the nearest numbers that a tensor of the interpreter can hold."""
    scale, zero = about["quantization"]
    if not scale:
        return real.astype(about["dtype"])
    limits = np.iinfo(about["dtype"])
    return np.asarray(np.rint(real / scale + zero).clip(limits.min, limits.max), about["dtype"])


def images(*shape: int, count: int = 3, low: float = -1.0, high: float = 1.0) -> Array:
    """Give images (n, *shape) of random numbers."""
    random = np.random.default_rng(1)
    return random.uniform(low, high, (count, *shape)).astype(np.float32)
