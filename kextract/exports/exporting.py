"""Writes a model, has its own runtime check what was written, and only then publishes it.

The file takes the teacher's place: its pixels, its outputs. Integers are those of Jacob et al.
2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", section 2.1: a real number is (q - zero point) times a scale.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import scale
from kextract.errors import KextractError
from kextract.exports.formats import (
    FORMATS,
    ExportTarget,
    add_property,
    check_installed,
    write_names,
)
from kextract.exports.report import Comparison, ExportReport, check_agreement, compare
from kextract.foreign.onnx.loading import INPUT_RANGE
from kextract.models.cloning import in_float32, plain
from kextract.models.cost import at_once, cost_of, in_batches
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.runtime import compiled, native_stderr_held
from kextract.storage.atomic import atomic_folder, atomic_write
from kextract.teachers.runtimes import Network, open_onnx, open_saved_model, open_tflite
from kextract.text import error_line

CHECKED_AT_ONCE = 256
"""Images per call of a file that is checked, at the most."""
TIMED = 21
"""Images that the time per image is the median of."""

Classifier = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From float32 images (n, h, w, c), pixels as the file takes them, to float32 outputs (n, k)."""


@dataclass(frozen=True)
class CheckImages:
    """Images that a file and its checkpoint are both asked about."""

    name: str
    """What they are, such as `drawn` or `test`."""
    images: NDArray[np.uint8]
    """(n, h, w, c)."""
    labels: NDArray[np.integer] | None = None
    """(n,), where they are known."""


def export_model(
    model: keras.Model,
    path: Path,
    target: ExportTarget,
    *,
    checks: Sequence[CheckImages],
    calibration: NDArray[np.uint8] | None = None,
    calibrated_on: str = "given",
    overwrite: bool = False,
) -> ExportReport:
    """Write a model of ours, float32 images (n, h, w, c) in [-1, 1] in and logits (n, k) out.

    `checks` holds at least one set of images. int8 needs `calibration`, uint8 images (m, h, w, c),
    which `calibrated_on` names; the integers that the file takes are the pixels from 0 to 255 less
    128 where black and white are the same in every channel.

    Raises RequestError for a runtime that is not installed and a `path` that exists without
    `overwrite`; GateError, with nothing written, where the file's outputs are not the model's by
    `TOLERANCES`; KextractError for a network that cannot be converted; StorageError.
    """
    check_installed(target.format)
    spec = FORMATS[target.format]
    publish = atomic_folder if spec.is_folder else atomic_write
    seen = None if calibration is None else with_extremes(calibration)
    with publish(path, overwrite) as temporary:
        copy = drop_in(model, input_range=target.input_range, outputs=target.outputs)
        # The file is of float32: how a network of bfloat16 rounds is not a fault of the file.
        model = in_float32(model)
        write_model(copy, temporary, target, calibration=seen)
        classifier, reference = open_runtime(temporary, target.format), classifier_of(model)
        size = at_once(model, CHECKED_AT_ONCE)
        comparisons = tuple(_compared(each, classifier, reference, target, size) for each in checks)
        check_agreement(comparisons, target.arithmetic, target.least_agreement)
        cost, images = cost_of(model), scale(checks[0].images[:TIMED])
        return ExportReport(
            path=str(path),
            format=target.format,
            arithmetic=target.arithmetic,
            inputs=str(target.input_range),
            outputs=target.outputs,
            class_names=spec.class_names if target.class_names else None,
            bytes=_bytes(temporary),
            parameters=cost.parameters,
            multiply_adds=cost.multiply_adds,
            milliseconds=milliseconds(classifier, target.input_range.apply(images)),
            checkpoint_milliseconds=milliseconds(reference, images),
            calibration=0 if seen is None else len(seen),
            calibrated_on=None if seen is None else calibrated_on,
            comparisons=comparisons,
        )


def _compared(
    check: CheckImages,
    classifier: Classifier,
    reference: Classifier,
    target: ExportTarget,
    size: int,
) -> Comparison:
    with quiet():
        found = in_batches(
            lambda part: classifier(target.input_range.apply(scale(part))), check.images, size
        )
    expected = in_batches(lambda part: reference(scale(part)), check.images, size)
    return compare(
        check.name,
        expected,
        found,
        outputs=target.outputs,
        labels=check.labels,
        by_label=target.by_label,
    )


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def milliseconds(classifier: Classifier, images: NDArray[np.float32]) -> float:
    """Return the median time per image, one at a time, after a few to warm up."""
    times = []
    for index in range(TIMED + 3):
        place = index % len(images)
        image = images[place : place + 1]
        begin = time.perf_counter()
        classifier(image)
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times[3:])


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
