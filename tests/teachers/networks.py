"""One small Keras network, written in every format that can be asked."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kextract.datasets.images import scale
from kextract.exports.exporting import quiet

SHAPE = (8, 8, 3)
CLASSES = 4


def network(head: str = "logits") -> Any:
    """A convolution and a dense layer, from images in [-1, 1] to logits or probabilities."""
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(images)
    x = keras.layers.Dense(CLASSES, kernel_initializer="he_normal")(keras.layers.Flatten()(x))
    if head == "probabilities":
        x = keras.layers.Softmax()(x)
    return keras.Model(images, x)


def two_heads() -> Any:
    """A network with a softmax of 2 classes and logits of 4."""
    keras.utils.set_random_seed(0)
    given = keras.Input(SHAPE)
    x = keras.layers.Flatten()(given)
    first = keras.layers.Dense(2, activation="softmax", name="gender")(x)
    return keras.Model(given, [first, keras.layers.Dense(CLASSES, name="age")(x)])


def images(count: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE), np.uint8)


def outputs_of(model: Any, pixels: Any) -> Any:
    return model(scale(pixels), training=False).numpy()


def write_onnx(
    path: Path, model: Any, *, channels_first: bool = False, batch: int | None = None
) -> Path:
    """Write the model as ONNX; with `batch`, for batches of that size only."""
    with quiet():
        import tf2onnx

    shape: tuple[int, ...] = (SHAPE[2], *SHAPE[:2]) if channels_first else SHAPE

    def function(x: Any) -> Any:
        return model(tf.transpose(x, (0, 2, 3, 1)) if channels_first else x)

    signature = [tf.TensorSpec((batch, *shape), tf.float32, name="x")]
    with quiet():
        proto, _ = tf2onnx.convert.from_function(tf.function(function), signature)
    path.write_bytes(proto.SerializeToString())
    return path


def write_tflite(path: Path, model: Any, kind: str = "float", batch: int | None = None) -> Path:
    """Write the model as TFLite, of floating-point numbers or of `uint8` or `int8` in and out."""
    inputs = keras.Input(SHAPE, batch_size=batch)
    folder = write_saved_model(path.with_suffix(".saved"), keras.Model(inputs, model(inputs)))
    with quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # Random pixels reach black and white, which bounds what the input can say.
        samples = scale(images(64))
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = getattr(tf, kind)
        converter.inference_output_type = getattr(tf, kind)
    with quiet():
        path.write_bytes(converter.convert())
    return path


def write_saved_model(path: Path, model: Any) -> Path:
    with quiet():
        model.export(str(path), format="tf_saved_model", verbose=False)
    return path
