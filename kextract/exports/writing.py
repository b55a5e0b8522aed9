"""Writes a stock Keras model in each format."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.errors import KextractError
from kextract.exports.class_names import write_names
from kextract.exports.formats import ExportTarget
from kextract.exports.quantizing import converter_settings
from kextract.text import error_line


def write_model(
    model: keras.Model,
    path: Path,
    target: ExportTarget,
    *,
    calibration: NDArray[np.uint8] | None = None,
) -> None:
    """Write a model of Keras's own layers, float32 images (n, h, w, c) in, (n, k) out, as it is.

    `calibration` is for int8: uint8 images (m, h, w, c). Class names go where
    `FORMATS` says. Raises KextractError for a network that the format has no operations for, and
    OSError.
    """
    with quiet():
        try:
            if target.format == "tflite":
                settings = converter_settings(target.arithmetic, calibration, target.input_range)
                _write_tflite(model, path, settings)
            else:
                _WRITERS[target.format](model, path)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # Converters raise whatever their own libraries do.
            raise KextractError(
                f"--format {target.format}: this network cannot be converted:"
                f" {error_line(error, 200)}"
            ) from error
        if target.class_names:
            write_names(path, target.format, target.class_names)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what converters and runtimes write to file descriptor 2, and warn of, from the user."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nowhere.fileno(), 2)
            yield
            sys.stderr.flush()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _write_keras(model: keras.Model, path: Path) -> None:
    model.save(path)


def _write_savedmodel(model: keras.Model, path: Path) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _write_tflite(model: keras.Model, path: Path, settings: dict[str, object]) -> None:
    # Small devices have memory for one image and kernels for shapes that are known.
    one = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="pixels")
    model.export(path, format="litert", input_signature=[one], verbose=False, **settings)


def _write_onnx(model: keras.Model, path: Path) -> None:
    # Keras exports no model to ONNX that was never called.
    model(tf.zeros((1, *model.input_shape[1:])), training=False)
    model.export(path, format="onnx", verbose=False)


_WRITERS: dict[str, Callable[[keras.Model, Path], None]] = {
    "keras": _write_keras,
    "savedmodel": _write_savedmodel,
    "onnx": _write_onnx,
}
