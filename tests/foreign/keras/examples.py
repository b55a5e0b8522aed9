"""Models as people save them, and ways to take their files apart."""

import io
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from tests.fuzzing.damage import members_of, packed

if TYPE_CHECKING:
    import keras


def user_cnn(activation: str | None = "softmax", units: int = 3) -> "keras.Model":
    """A network for 16x16x1 images of pixels from 0 to 255, as beginners write them."""
    import keras

    layers = keras.layers
    return filled(
        keras.Sequential(
            [
                keras.Input((16, 16, 1)),
                layers.Rescaling(1 / 255),
                layers.RandomFlip("horizontal"),
                layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
                layers.BatchNormalization(),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(units, activation=activation),
            ]
        )
    )


def nested() -> "keras.Model":
    """A functional network around another one, with arithmetic on tensors and a Softmax layer."""
    import keras

    layers = keras.layers
    image = keras.Input((16, 16, 1))
    features = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(4, 3), layers.BatchNormalization()]
    )
    inner_image = keras.Input((16, 16, 1))
    inner = keras.Model(inner_image, layers.ReLU(6.0)(features(inner_image)), name="inner")
    x = inner(image, training=False)
    x = layers.Add()([x, keras.ops.relu(x * 0.5 + 1.0)])
    x = layers.BatchNormalization()(x)
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    return filled(keras.Model(image, layers.Softmax()(x)))


def small(activation: str | None = None) -> "keras.Model":
    """The least that is a classifier: quick to read, for the fuzzer."""
    import keras

    image = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(2, 3, strides=4, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Flatten(name="flat")(x)
    return filled(keras.Model(image, keras.layers.Dense(3, activation, name="end")(x)))


def filled(model: "keras.Model") -> "keras.Model":
    """Give every float variable values that show a mix-up: small, and positive as variances are."""
    import numpy as np

    random = np.random.default_rng(1)
    for variable in model.variables:
        if variable.dtype == "float32":
            low = 0.5 if "variance" in variable.name or "gamma" in variable.name else -0.5
            variable.assign(random.uniform(low, low + 1, variable.shape).astype("float32"))
    return model


def save(model: "keras.Model", path: Path) -> Path:
    """Let Keras save a model."""
    with warnings.catch_warnings():
        # TensorFlow's variables do not know yet how NumPy 2 asks for their values.
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(path)
    return path


def timeless(data: bytes) -> bytes:
    """Leave out of an archive of Keras what is another each time: its date, and addresses."""
    parts = members_of(data)
    parts["config.json"] = re.sub(rb', "shared_object_id": \d+', b"", parts["config.json"])
    parts["metadata.json"] = b'{"keras_version": "3.0.0", "date_saved": "2020-06-01@00:00:00"}'
    return packed(parts)


def with_config(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """Change the description in either kind of file: in place, or by what `change` returns."""
    if data.startswith(b"\x89HDF"):
        return _with_attribute(data, change)
    parts = members_of(data)
    config = json.loads(parts["config.json"])
    changed = change(config)
    parts["config.json"] = json.dumps(config if changed is None else changed).encode()
    return packed(parts)


def _with_attribute(data: bytes, change: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        changed = change(config)
        file.attrs["model_config"] = json.dumps(config if changed is None else changed)
    return buffer.getvalue()


def with_weights(data: bytes, change: Callable[[Any], object]) -> bytes:
    """Change the weights in an archive, as an open HDF5 file."""
    parts = members_of(data)
    buffer = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    parts["model.weights.h5"] = buffer.getvalue()
    return packed(parts)


def layer(config: Any, name: str) -> Any:
    """Find a layer's description by its name."""
    return next(item for item in config["config"]["layers"] if item["config"]["name"] == name)
