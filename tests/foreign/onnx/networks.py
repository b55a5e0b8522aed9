"""Tiny networks in ONNX, written as text, and what onnxruntime makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper, parser


def model(
    body: str,
    image: tuple[int | str, ...],
    opset: int = 17,
    *,
    flatten: bool = True,
    **constants: Any,
) -> onnx.ModelProto:
    """Write a network that makes `y` of the image `x`, whose axes are given without the batch.

    A constant is an array, or the shape of one of random numbers. With `flatten`, what follows on
    `y` is no more than a row per image.
    """
    axes = ",".join(map(str, ("N", *image)))
    end = "logits = Flatten (y)" if flatten else "logits = Identity (y)"
    found = parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]>\n'
        f"network (float[{axes}] x) => (float[A,B] logits) {{ {body}\n {end} }}"
    )
    random = np.random.default_rng(0)
    for name, value in constants.items():
        if isinstance(value, tuple):
            value = random.normal(size=value).astype(np.float32)
        found.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return found


def images(*shape: int, count: int = 3) -> NDArray[np.float32]:
    """Give images (n, *shape) of random numbers."""
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


def by_onnxruntime(path: Path, given: NDArray[Any]) -> NDArray[np.float32]:
    """Run a file on each image on its own; give (n, k)."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    rows = [session.run(None, {taken.name: image[None]})[0].reshape(-1) for image in given]
    return np.stack(rows).astype(np.float32)
