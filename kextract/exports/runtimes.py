"""Runs an exported file as the people do who will use it: in the format's own runtime."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.exports.writing import quiet
from kextract.graph import compiled
from kextract.models.batches import in_batches
from kextract.teachers.model_file import Network
from kextract.teachers.onnx_file import open_onnx
from kextract.teachers.saved_model import open_saved_model
from kextract.teachers.tflite_file import open_tflite

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


def _by(open_file: Callable[[Path], Network]) -> Callable[[Path], Classifier]:
    """Open a file as it is opened when it is a teacher, for real values in and out."""

    def opened(path: Path) -> Classifier:
        network = open_file(path)

        def classifier(images: NDArray[np.float32]) -> NDArray[np.float32]:
            numbers = network.numbers.quantized(images)
            return in_batches(network.run, numbers, network.dims[0] or len(numbers))

        return classifier

    return opened


_RUNTIMES: dict[str, Callable[[Path], Classifier]] = {
    "keras": _open_keras,
    "savedmodel": _by(open_saved_model),
    "tflite": _by(open_tflite),
    "onnx": _by(open_onnx),
}
