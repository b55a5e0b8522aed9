"""Classifiers in ONNX files, run by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import MissingExtraError, RequestError
from kextract.hdf5.safe_hdf5 import OpenFile, opened, path_of
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


def open_onnx(
    where: Path | OpenFile, threads: int | None = None, output_name: str | None = None
) -> Network:
    """Open an ONNX file with one input, (n, h, w, c) or (n, c, h, w).

    Of several outputs `output_name` says which is meant. The runtime is native code: give it only
    files that you trust. Raises RequestError for what cannot be read, and SeveralOutputsError.
    """
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
        inputs, outputs = session.get_inputs(), session.get_outputs()
        producers, others = _producers(content), dict[str, NDArray[Any]]()
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


def _producers(content: bytes) -> Producers:
    """Read which node makes each tensor."""
    import onnx

    found: dict[str, tuple[str, list[str]]] = {}
    for node in onnx.ModelProto.FromString(content).graph.node:
        if node.op_type != "Constant":
            found |= dict.fromkeys(node.output, (node.op_type, list(node.input)))
    return found
