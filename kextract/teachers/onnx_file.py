"""Classifiers in ONNX files, run by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.teachers.layout import Numbers
from kextract.teachers.model_file import Network, refusing

MISSING = "onnxruntime, which runs '{path}', is not installed: pip install 'kextract[onnx]'"
NUMBERS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def open_onnx(path: Path, threads: int | None = None) -> Network:
    """Open an ONNX file with one input, (n, h, w, c) or (n, c, h, w).

    Of several outputs the first floating-point one is the answer. The runtime is native code: give
    it only files that you trust. Raises RequestError for what cannot be read.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise RequestError(MISSING.format(path=path)) from None
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    with refusing(path, "onnxruntime"):
        # Its fallback tries the same again, and prints that it does.
        session = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1:
            raise RequestError(f"'{path}' has {len(inputs)} inputs; a classifier of images has one")
        (images,) = inputs
        if images.type not in NUMBERS:
            raise RequestError(f"'{path}' takes {images.type}, which are no pixels")
        answer = next((output for output in outputs if "float" in output.type), outputs[0]).name

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(session.run([answer], {images.name: batch})[0])

        # Axes that are left open have a name or nothing in the place of their size.
        dims = tuple(axis if isinstance(axis, int) and axis > 0 else None for axis in images.shape)
        return Network(run, dims, Numbers(np.dtype(NUMBERS[images.type])))
