"""Classifiers in files that a runtime of their own runs: onnxruntime, LiteRT, TensorFlow.

Of several outputs `output_name` says which is meant. The runtimes are native code, and the graph of
a SavedModel may read and write files: give them only files that you trust. All raise RequestError
for what cannot be read, and SeveralOutputsError where an output has to be chosen.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.datasets.images import scale
from kextract.errors import MissingExtraError, Refused, RequestError
from kextract.hdf5.safe_hdf5 import OpenFile, opened, path_of
from kextract.models.axes import Dims, Layout, arranged, layouts
from kextract.models.cost import at_once, in_batches
from kextract.models.heads import (
    Producers,
    choose_output,
    decide,
    distinct,
    last_operation,
    size_text,
)
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.models.made_up_images import of_all_kinds
from kextract.storage.atomic import reason
from kextract.teachers.black_box import AT_ONCE, FileOptions, as_rows
from kextract.text import error_line

TRIED = 4
"""Images of noise that a file is tried with when it is opened."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an input's numbers mean: real value = scale * (number - zero), for integers."""

    dtype: np.dtype[Any]
    scale: float = 0.0
    """0 where numbers stand for themselves."""
    zero: int = 0

    def encoded(self, pixels: NDArray[np.uint8], given: Preprocessing | None) -> NDArray[Any]:
        """Return pixels of any shape as the network takes them.

        `given` is the range of real values for black and white; without it that is -1 to 1 for
        floating-point numbers, and all that they can say for integers of one byte.
        """
        if self.dtype.kind == "f":
            return (given or PIXELS).apply(scale(pixels)).astype(self.dtype)
        if given is None or not self.scale:
            offset = np.iinfo(self.dtype).min if self.dtype.itemsize == 1 else 0
            return (pixels.astype(np.int16) + offset).astype(self.dtype)
        return self.quantized(given.apply(scale(pixels)))

    def quantized(self, reals: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers nearest to real values, which are all where there is no scale."""
        if not self.scale:
            return reals.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        numbers = np.rint(reals / self.scale) + self.zero
        nearest: NDArray[Any] = numbers.clip(limits.min, limits.max).astype(self.dtype)
        return nearest

    def reals(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the real values that numbers stand for."""
        if not self.scale:
            return numbers
        return np.asarray((numbers.astype(np.float32) - self.zero) * np.float32(self.scale))


@dataclass(frozen=True)
class Network:
    """A model file opened by its runtime."""

    run: Callable[[NDArray[Any]], NDArray[Any]]
    """Maps a batch in the file's own layout and numbers to its raw output, (n, ...)."""
    dims: Dims
    numbers: Numbers
    operation: str | None = None
    """The last one that changes numbers, where the file says it."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Those of all outputs by name; the first is the one that `run` gives."""


class ModelFile:
    """A `BlackBox` that has no more to offer than its outputs."""

    def __init__(self, path: Path, digest: str, network: Network, options: FileOptions) -> None:
        """Find out what a file leaves unsaid by trying it on made-up images, which asks nothing.

        Raises RequestError where the network cannot be one that classifies such images, and where
        it has another number of classes than requested.
        """
        self.name = f"{path.name}, SHA-256 {digest}"
        self._path = path
        self._network = network
        self._input_range = options.input_range
        try:
            possible = layouts(network.dims, options.input_shape)
        except Refused as error:
            raise RequestError(f"'{path}': {error}") from error
        self._layout, tried = self._try(possible)
        if tried.dtype.kind not in "biuf":
            raise RequestError(f"'{path}' gives text or other things, not numbers")
        self.input_shape = self._layout.shape
        self.sizes = network.sizes
        self.head = decide(tried, self._tried_more, network.operation, options.outputs)
        labels = self.head.outputs == "labels"
        self.outputs = "labels" if labels else "sigmoids" if self.head.by_label else self.head.given
        if labels:
            if options.classes is None:
                raise RequestError(f"'{path}' gives labels: say how many --classes there are")
            self.classes = options.classes
            return
        self.classes = as_rows(tried, self.outputs).shape[1]
        if options.classes not in (None, self.classes):
            raise RequestError(f"--classes {options.classes}: '{path}' has {self.classes}")

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c); those that fill up a fixed batch are not questions."""
        outputs = self._run(images, self._layout)
        if self.outputs == "labels":
            return outputs.reshape(len(images)).astype(np.int32)
        rows = as_rows(outputs, self.outputs).astype(np.float32)
        if self.head.outputs == "label-logits" and self.head.by_label:
            return np.asarray(1 / (1 + np.exp(-rows)))
        if self.outputs != "probabilities":
            return rows
        # Eight bits do not sum to 1.
        total = rows.sum(axis=1, keepdims=True)
        even = np.float32(1 / self.classes)
        return np.where(total > 0, rows / np.where(total > 0, total, 1), even)

    def _try(self, possible: tuple[Layout, ...]) -> tuple[Layout, NDArray[Any]]:
        random = np.random.default_rng(0)
        failure: Exception | None = None
        for layout in possible:
            noise = random.integers(0, 256, (TRIED, *layout.shape), np.uint8)
            try:
                outputs = self._run(noise, layout)
            except Exception as error:  # Runtimes raise what they like.
                failure = failure or error
                continue
            return layout, outputs
        assert failure is not None, "there is at least one layout"
        raise RequestError(f"'{self._path}' cannot be run: {error_line(failure)}") from failure

    def _tried_more(self) -> NDArray[Any]:
        return self._run(of_all_kinds(self.input_shape), self._layout)

    def _run(self, images: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
        size = layout.batch or at_once(layout.shape, AT_ONCE)

        def run(part: NDArray[np.uint8]) -> NDArray[Any]:
            count = len(part)
            if layout.batch and count < size:
                part = np.concatenate([part, np.repeat(part[-1:], size - count, axis=0)])
            numbers = self._network.numbers.encoded(part, self._input_range)
            outputs = self._network.run(arranged(numbers, layout.axes))
            if len(outputs) != len(part):
                raise ValueError(f"{len(outputs)} outputs for {len(part)} images")
            return outputs[:count]

        return in_batches(run, images, size)


def sha256_of(path: Path) -> str:
    """Hash names and bytes of all files in a folder. Raises RequestError."""
    try:
        digest = hashlib.sha256()
        for part in sorted(part for part in path.rglob("*") if part.is_file()):
            digest.update(f"{part.relative_to(path).as_posix()}\0".encode())
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
    except OSError as error:
        raise RequestError(f"'{path}': {reason(error)}") from error


@contextmanager
def refusing(path: Path, runtime: str) -> Iterator[None]:
    """Turn whatever a runtime raises about a file into one line. Raises RequestError."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:  # Each of their failures has a type of its own.
        raise RequestError(f"'{path}': {runtime} cannot read it: {error_line(error)}") from error


NUMBERS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
_BRANCHING = {"If", "Loop", "Scan", "SequenceMap"}
"""Operators whose graphs inside may use what is outside of them."""
SIGNATURE = "serving_default"
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_CONSTANT = ("Const", "Placeholder", "ReadVariableOp", "VarHandleOp")
_DEEPEST = 8
"""Functions within functions that are looked into."""


def _only(inputs: Sequence[Any], path: Path) -> Any:
    if len(inputs) != 1:
        raise RequestError(f"'{path}' has {len(inputs)} inputs; a classifier of images has one")
    return inputs[0]


def open_onnx(
    where: Path | OpenFile, threads: int | None = None, output_name: str | None = None
) -> Network:
    """Open an ONNX file with one input, (n, h, w, c) or (n, c, h, w)."""
    path = path_of(where)
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtraError(f"'{path}' needs onnxruntime", "onnx") from None
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    folder = str(path.resolve().parent)
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    with refusing(path, "onnxruntime"), opened(where) as file:
        content = file.content()
        # Its fallback tries the same again, and prints that it does.
        session = ort.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
        # It keeps the whole file beside what it made of it, for a fallback that there is not.
        vars(session).pop("_model_bytes", None)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        producers, others = _onnx_producers(content), dict[str, NDArray[Any]]()
        if len(inputs) > 1 and not _BRANCHING & {operation for operation, _ in producers.values()}:
            # What an exporter left behind, and nothing depends on, the runtime wants all the same.
            used = {name for _, given in producers.values() for name in given}
            others = {each.name: _nothing(each) for each in inputs if each.name not in used}
            inputs = [each for each in inputs if each.name not in others]
        images = _only(inputs, path)
        if images.type not in NUMBERS:
            raise RequestError(f"'{path}' takes {images.type}, which are not pixels")
        sizes = {output.name: size_text(output.shape[1:]) for output in outputs}
        answer = choose_output(path, sizes, output_name)

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(session.run([answer], {**others, images.name: batch})[0])

        # Axes that are left open have a name or nothing in the place of their size.
        dims = tuple(axis if isinstance(axis, int) and axis > 0 else None for axis in images.shape)
        return Network(
            run,
            dims,
            Numbers(np.dtype(NUMBERS[images.type])),
            last_operation(producers, answer),
            {answer: sizes.pop(answer), **sizes},
        )


def _nothing(taken: Any) -> NDArray[Any]:
    """Give an input that nothing depends on."""
    sizes = [size if isinstance(size, int) else 1 for size in taken.shape]
    return np.zeros(sizes, NUMBERS.get(taken.type, "float32"))


def _onnx_producers(content: bytes) -> Producers:
    """Read which node makes each tensor."""
    import onnx

    found: dict[str, tuple[str, list[str]]] = {}
    for node in onnx.ModelProto.FromString(content).graph.node:
        if node.op_type != "Constant":
            found |= dict.fromkeys(node.output, (node.op_type, list(node.input)))
    return found


def open_tflite(
    where: Path | OpenFile, threads: int | None = None, output_name: str | None = None
) -> Network:
    """Open a TFLite file with one input, of floating-point numbers or of integers with a scale.

    Integers with a scale become the real values that they stand for.
    """
    path = path_of(where)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise MissingExtraError(f"'{path}' needs LiteRT", "tflite") from None
    with refusing(path, "LiteRT"), opened(where) as file:
        # It greets on the terminal from native code.
        with runtime.native_stderr_held():
            interpreter = Interpreter(model_content=file.content(), num_threads=threads)
            interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), _outputs(interpreter)
        images = _only(inputs, path)
        sizes = {name: size_text(map(int, about["shape"][1:])) for name, about in outputs.items()}
        chosen = choose_output(path, sizes, output_name)
        answer = outputs[chosen]
        made = Numbers(np.dtype(answer["dtype"]), *answer["quantization"])
        shape = tuple(images["shape"])

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            nonlocal shape
            if shape != batch.shape:
                interpreter.resize_tensor_input(images["index"], batch.shape, strict=True)
                with runtime.native_stderr_held():
                    interpreter.allocate_tensors()
                shape = batch.shape
            interpreter.set_tensor(images["index"], batch)
            interpreter.invoke()
            return made.reals(interpreter.get_tensor(answer["index"]))

        signature = images["shape_signature"] if len(images["shape_signature"]) else images["shape"]
        dims = tuple(int(axis) if axis > 0 else None for axis in signature)
        return Network(
            run,
            dims,
            Numbers(np.dtype(images["dtype"]), *images["quantization"]),
            last_operation(_tflite_producers(interpreter), str(answer["index"])),
            {chosen: sizes.pop(chosen), **sizes},
        )


def _outputs(interpreter: Any) -> dict[str, Any]:
    """Give what is known of each output, by the names of its signature, or of its tensors."""
    details = interpreter.get_output_details()
    signatures = interpreter.get_signature_list()
    if len(signatures) == 1:
        named = interpreter.get_signature_runner().get_output_details()
        places = {about["index"]: name for name, about in named.items()}
        if len(places) == len(details):
            return {places[about["index"]]: about for about in details}
    return dict(zip(distinct(about["name"] for about in details), details, strict=True))


def _tflite_producers(interpreter: Any) -> Producers:
    """Read which operator makes each tensor, by number; nothing where LiteRT does not show it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for operator in getattr(interpreter, "_get_ops_details", list)():
        if operator["op_name"] != "DELEGATE":
            inputs = [str(place) for place in operator["inputs"]]
            found |= {str(place): (operator["op_name"], inputs) for place in operator["outputs"]}
    return found


def open_saved_model(path: Path, output_name: str | None = None) -> Network:
    """Open a SavedModel whose `serving_default` takes one batch of images."""
    runtime.start()
    import tensorflow as tf

    with refusing(path, "TensorFlow"):
        # What is wrong is in the error; native code prints more besides.
        with runtime.native_stderr_held(show_on_failure=False):
            loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures.get(SIGNATURE)
        if signature is None:
            raise RequestError(f"'{path}' has no signature '{SIGNATURE}'")
        name, images = _only([*signature.structured_input_signature[1].items()], path)
        outputs = signature.structured_outputs
        sizes = {
            key: size_text(outputs[key].shape[1:] if outputs[key].shape.rank else ())
            for key in sorted(outputs)
        }
        answer = choose_output(path, sizes, output_name)

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            # Variables may be freed together with the object that they were loaded with.
            assert loaded is not None
            return np.asarray(signature(**{name: tf.constant(batch)})[answer].numpy())

        dims = tuple(images.shape) if images.shape.rank is not None else (None,) * 4
        return Network(
            run,
            dims,
            Numbers(np.dtype(images.dtype.as_numpy_dtype)),
            _last_operation(signature, answer),
            {answer: sizes.pop(answer), **sizes},
        )


def _last_operation(signature: Any, output: str) -> str | None:
    """Name the last operation before an output, those of functions that are called included."""
    graph = signature.graph.as_graph_def()
    functions = {function.signature.name: function for function in graph.library.function}
    # The dictionary is in any order; TensorFlow lists the tensors in that of their names.
    place = sorted(signature.structured_outputs).index(output)
    return last_operation(_graph_producers(graph.node, functions), signature.outputs[place].name)


def _graph_producers(
    nodes: Any, functions: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[str, list[str]]]:
    """Say which operation makes each tensor; functions are put in the place of their calls."""
    found: dict[str, tuple[str, list[str]]] = {}
    for node in nodes:
        given = [prefix + _tensor(name) for name in node.input if not name.startswith("^")]
        if node.op in _CALLS and prefix.count("/call/") < _DEEPEST:
            called, within = functions[node.attr["f"].func.name], f"{prefix}{node.name}/call/"
            found |= _graph_producers(called.node_def, functions, within)
            for argument, tensor in zip(called.signature.input_arg, given, strict=False):
                found[f"{within}{argument.name}:0"] = ("Identity", [tensor])
            for number, argument in enumerate(called.signature.output_arg):
                made = within + _tensor(called.ret[argument.name])
                found[f"{prefix}{node.name}:{number}"] = ("Identity", [made])
        elif node.op not in _CONSTANT:
            found[f"{prefix}{node.name}:0"] = (node.op, given)
    return found


def _tensor(name: str) -> str:
    """Bring `node`, `node:1` and `node:output:1` to node and number."""
    node, *rest = name.split(":")
    return f"{node}:{rest[-1] if rest else 0}"
