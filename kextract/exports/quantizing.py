"""How the TensorFlow Lite converter is told to make weights and features smaller.

Integers are those of Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", section 2.1: a real number is (q - zero point) times a scale.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.pixels import scale
from kextract.models.input_range import Preprocessing


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
    if calibration is None or not len(calibration):
        raise ValueError("int8 needs images to calibrate on")
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
