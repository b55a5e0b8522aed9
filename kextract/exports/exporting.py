"""Writes a model, has its own runtime check what was written, and only then publishes it."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import scale
from kextract.exports.formats import FORMATS, ExportTarget, check_installed
from kextract.exports.report import Comparison, ExportReport, check_agreement, compare
from kextract.exports.writing import drop_in, quiet, with_extremes, write_model
from kextract.graph import compiled
from kextract.models.cloning import in_float32
from kextract.models.cost import at_once, cost_of, in_batches
from kextract.storage.atomic import atomic_folder, atomic_write
from kextract.teachers.model_file import Network
from kextract.teachers.runtimes import open_onnx, open_saved_model, open_tflite

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
