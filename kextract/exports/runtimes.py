"""Runs an exported file as the people do who will use it: in the format's own runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.exports.writing import quiet
from kextract.graph import compiled

Classifier = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From float32 images (n, h, w, c), pixels as the file takes them, to float32 outputs (n, k)."""


def open_runtime(path: Path, format: str) -> Classifier:
    """Load a file that kextract has just written; integers are hidden from the caller."""
    with quiet():
        return _RUNTIMES[format](path)


def classifier_of(model: keras.Model) -> Classifier:
    """Give a checkpoint's own model, images of -1 to 1 in and logits out, in the same form."""
    forward = compiled(
        lambda images: model(images, training=False),
        input_signature=[tf.TensorSpec(model.input_shape, tf.float32)],
    )
    return lambda images: forward(tf.constant(images)).numpy().astype(np.float32)


def _open_keras(path: Path) -> Classifier:
    return classifier_of(keras.models.load_model(path, safe_mode=True))


def _open_savedmodel(path: Path) -> Classifier:
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def classifier(images: NDArray[np.float32]) -> NDArray[np.float32]:
        (found,) = serve(**{name: tf.constant(images)}).values()
        result: NDArray[np.float32] = found.numpy()
        return result

    # The functions live as long as what was loaded does.
    classifier.__dict__["loaded"] = loaded
    return classifier


def _open_onnx(path: Path) -> Classifier:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def classifier(images: NDArray[np.float32]) -> NDArray[np.float32]:
        (found,) = session.run(None, {given.name: images})
        result: NDArray[np.float32] = found
        return result

    return classifier


def _open_tflite(path: Path) -> Classifier:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(image: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(given["index"], quantize(image[None], given))
        interpreter.invoke()
        result: NDArray[np.float32] = dequantize(interpreter.get_tensor(made["index"]), made)[0]
        return result

    return lambda images: np.stack([answer(image) for image in images])


def quantize(values: NDArray[np.float32], details: dict[str, Any]) -> NDArray[Any]:
    """Turn numbers into what a tensor of LiteRT holds: its integers, or the numbers themselves."""
    scale, zero = details["quantization"]
    if not scale:
        return values
    limits = np.iinfo(details["dtype"])
    levels = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    integers: NDArray[Any] = levels.astype(details["dtype"])
    return integers


def dequantize(values: NDArray[Any], details: dict[str, Any]) -> NDArray[np.float32]:
    """Turn a tensor of LiteRT into numbers."""
    scale, zero = details["quantization"]
    numbers: NDArray[np.float32] = values.astype(np.float32)
    if scale:
        numbers -= np.float32(zero)
        numbers *= np.float32(scale)
    return numbers


_RUNTIMES: dict[str, Callable[[Path], Classifier]] = {
    "keras": _open_keras,
    "savedmodel": _open_savedmodel,
    "tflite": _open_tflite,
    "onnx": _open_onnx,
}
