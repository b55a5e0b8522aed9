"""Writes a student in each format, in the place of its teacher: its pixels, its outputs.

Integers are those of Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", section 2.1: a real number is (q - zero point) times a scale.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import scale
from kextract.errors import KextractError
from kextract.exports.formats import ExportTarget, add_property, write_names
from kextract.foreign.onnx.loading import INPUT_RANGE
from kextract.models.cloning import plain
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.runtime import native_stderr_held
from kextract.text import error_line


def write_model(
    model: keras.Model,
    path: Path,
    target: ExportTarget,
    *,
    calibration: NDArray[np.uint8] | None = None,
) -> None:
    """Write a model of Keras's own layers, float32 images (n, h, w, c) in, (n, k) out, as it is.

    `calibration` is for int8: uint8 images (m, h, w, c). Class names go where `FORMATS` says, and
    an ONNX file says which pixels it takes. Raises KextractError for a network that the format has
    no operations for, and OSError.
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
        if target.format == "onnx":
            add_property(path, INPUT_RANGE, target.input_range.recorded)
        if target.class_names:
            write_names(path, target.format, target.class_names)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what converters and runtimes write to file descriptor 2, and warn of, from the user."""
    with native_stderr_held(show_on_failure=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        sys.stderr.flush()


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


def drop_in(
    model: keras.Model, *, input_range: Preprocessing = PIXELS, outputs: str = "logits"
) -> keras.Model:
    """Copy a model of ours (pixels of -1 to 1 in, logits out) into one that takes other pixels.

    The copy consists of Keras's own layers, takes float32 images (n, h, w, c) in `input_range` and
    gives float32 (n, k) `logits`, `probabilities` or, of each on its own, `sigmoids`.
    """
    copy = plain(model)
    if input_range != PIXELS:
        scale, offset = (np.asarray(n, np.float64) for n in (input_range.scale, input_range.offset))
        back = keras.layers.Rescaling((1 / scale).tolist(), (-offset / scale).tolist())
        pixels = keras.Input(model.input_shape[1:], name="pixels")
        x = back(pixels)
        if input_range.reverse:
            x = keras.ops.flip(x, axis=-1)
        copy = keras.Model(pixels, copy(x), name=model.name)
    if outputs != "logits":
        by_label = outputs == "sigmoids"
        kind = keras.layers.Activation("sigmoid") if by_label else keras.layers.Softmax()
        kind.name = "probabilities"
        # A Sequential that was never called has these in its lists alone.
        copy = keras.Model(copy.inputs[0], kind(copy.outputs[0]), name=model.name)
    return copy


def converter_settings(
    arithmetic: str, calibration: NDArray[np.uint8] | None, input_range: Preprocessing
) -> dict[str, object]:
    """Give the converter's attributes for `float32`, `float16` or `int8`.

    int8 is integer throughout, input and output too, with a scale for every output channel of a
    kernel; the scales of features come from `calibration`, uint8 images (m, h, w, c), which the
    network takes in `input_range`.
    """
    if arithmetic == "float32":
        return {}
    if arithmetic == "float16":
        return {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "target_spec": {"supported_types": [tf.float16]},
        }
    assert calibration is not None, "integers are calibrated on images"
    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": _one_by_one(calibration, input_range),
        "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        "inference_input_type": tf.int8,
        "inference_output_type": tf.int8,
    }


def with_extremes(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy images (m, h, w, c) so that black and white are among their pixels.

    The range of the input is that of pixels, whatever the images are: integers are then pixels of
    0 to 255, less 128. One corner of the first image and one of the last are changed.
    """
    copy = images.copy()
    copy[0, 0, 0], copy[-1, -1, -1] = 0, 255
    return copy


def _one_by_one(
    images: NDArray[np.uint8], input_range: Preprocessing
) -> Callable[[], Iterator[list[NDArray[np.float32]]]]:
    """Prepare images one by one: all of them as floats would take four times the memory."""
    return lambda: ([input_range.apply(scale(image[None]))] for image in images)
