"""Classifiers in ONNX files, run by onnxruntime."""

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import MissingExtraError, RequestError
from kextract.models.heads import Producers, choose_output, last_operation, size_text
from kextract.teachers.model_file import Network, Numbers, refusing

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


def open_onnx(path: Path, threads: int | None = None, output_name: str | None = None) -> Network:
    """Open an ONNX file with one input, (n, h, w, c) or (n, c, h, w).

    Of several outputs `output_name` says which is meant. The runtime is native code: give it only
    files that you trust. Raises RequestError for what cannot be read, and SeveralOutputsError.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtraError(f"'{path}' needs onnxruntime", "onnx") from None
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    with refusing(path, "onnxruntime"):
        # Its fallback tries the same again, and prints that it does.
        session = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
        inputs, outputs = session.get_inputs(), session.get_outputs()
        producers, others = _producers(path), dict[str, NDArray[Any]]()
        if len(inputs) > 1 and not _BRANCHING & {operation for operation, _ in producers.values()}:
            # What an exporter left behind, and nothing depends on, the runtime wants all the same.
            used = {name for _, given in producers.values() for name in given}
            others = {each.name: _nothing(each) for each in inputs if each.name not in used}
            inputs = [each for each in inputs if each.name not in others]
        if len(inputs) != 1:
            raise RequestError(f"'{path}' has {len(inputs)} inputs; a classifier of images has one")
        (images,) = inputs
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


def _producers(path: Path) -> Producers:
    """Read which node makes each tensor; weights are skipped, so that a file of any size is cheap.

    Protocol buffers, as onnx.proto has them: field 7 of a model is its graph, whose field 1 is
    repeated, its nodes; a node has its inputs in field 1, its outputs in 2 and its operator in 4.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for graph in protobuf_fields(data, slice(0, len(data)), 7):
            for node in protobuf_fields(data, graph, 1):
                inputs, outputs, operators = (
                    [
                        data[part].decode("utf-8", "replace")
                        for part in protobuf_fields(data, node, number)
                    ]
                    for number in (1, 2, 4)
                )
                if operators and operators[0] != "Constant":
                    found |= dict.fromkeys(outputs, (operators[0], inputs))
    return found


def protobuf_fields(data: mmap, within: slice, wanted: int) -> Iterator[slice]:
    """Yield where in a message the fields of a number are that have a length."""
    place = within.start
    while place < within.stop:
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 2:
            length, place = _varint(data, place)
            if number == wanted:
                yield slice(place, min(place + length, within.stop))
            place += length
        elif kind == 0:
            _, place = _varint(data, place)
        else:
            # Numbers of 8 or 4 bytes.
            place += 8 if kind == 1 else 4


def _varint(data: mmap, place: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the least first; return where it ends too."""
    value = shift = 0
    while place < len(data):
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128 or shift > 63:
            break
    return value, place
