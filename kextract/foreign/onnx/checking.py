"""Whether a network that was read computes what onnxruntime computes of the same file."""

from pathlib import Path
from typing import Any

import numpy as np

from kextract.errors import RequestError
from kextract.foreign.comparing import (
    IMAGES,
    Comparison,
    Floats,
    compared,
    made_up_images,
    outputs_of,
)
from kextract.foreign.network import ReadNetwork
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.text import one_line, shortened

_DTYPES = {"double": "float64"}


def check_against_onnxruntime(
    network: ReadNetwork,
    path: Path,
    *,
    images: int = IMAGES,
    input_range: Preprocessing = PIXELS,
    threads: int | None = 1,
) -> Comparison | None:
    """Give random and made-up images to both; None where onnxruntime is not installed.

    Outputs are compared as the file has them: a softmax or sigmoid that was taken off is put back.
    `input_range` says how black and white are given. The runtime is native code. Raises
    RequestError where it cannot run the file.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        return None
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    expected, found = [], []
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for pixels in made_up_images(network, images):
            given = input_range.apply(pixels)
            if network.numbers.startswith(("uint", "int")):
                given = np.rint((pixels + 1) * 127.5).astype(np.float32)
            expected.append(_run(session, network, given))
            found.append(outputs_of(network, given))
    except Exception as error:  # Each of the runtime's failures has a type of its own.
        why = shortened(one_line(error), 200)
        raise RequestError(f"'{path}': onnxruntime cannot run it: {why}") from error
    return compared(
        np.concatenate(expected), np.concatenate(found), by_label=network.head == "sigmoid"
    )


def _run(session: Any, network: ReadNetwork, images: Floats) -> Floats:
    """Run the file on one image after the other, since some take no more."""
    dtype = _DTYPES.get(network.numbers, network.numbers)
    # The runtime wants an input that nothing depends on too.
    others = {
        taken.name: np.zeros([size if isinstance(size, int) else 1 for size in taken.shape], "f")
        for taken in session.get_inputs()
        if taken.name != network.input_name
    }
    rows = []
    for image in images:
        axes = image.transpose(2, 0, 1) if network.channels_first else image
        given = np.ascontiguousarray(axes).astype(dtype).reshape(network.dims)
        (output,) = session.run([network.output_name], {**others, network.input_name: given})
        rows.append(np.asarray(output, np.float32).reshape(-1))
    return np.stack(rows)
