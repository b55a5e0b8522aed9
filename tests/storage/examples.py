"""A small model and what a checkpoint says about it, for tests and the fuzzer."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kextract.records import EpochRecord
from kextract.storage import CheckpointInfo

if TYPE_CHECKING:
    import keras

HISTORY = (
    EpochRecord(epoch=0, loss=2.5, accuracy=0.1),
    EpochRecord(
        epoch=1,
        loss=1.25,
        accuracy=0.625,
        train_loss=1.5,
        agreement=0.75,
        kl=0.125,
        seconds=3.5,
        details={"confidence": 0.9, "iterations": 36.0},
    ),
)

INFO = CheckpointInfo(
    kind="student",
    model="resnet11",
    pooling="global",
    input_shape=(8, 8, 1),
    classes=3,
    dataset="strokes",
    class_names=("zero", "one", "zwölf"),
    flip=False,
    seed=7,
    precision="float32",
    config={"method": "inversion", "epochs": 2, "rate": 1e-4, "names": ["a", None, True]},
    history=HISTORY,
    teacher="strokes-resnet11.weights.h5",
    teacher_sha256="ab" * 32,
    test={"loss": 0.5, "accuracy": 0.875},
)


def info(**changes: Any) -> CheckpointInfo:
    return replace(INFO, **changes)


def small_model(seed: int = 1) -> "keras.Model":
    """A convolution, a batch normalization and a dense layer, with values drawn from the seed."""
    import keras
    import numpy as np

    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3, name="conv2d")(image)
    x = keras.layers.BatchNormalization(name="batch_normalization")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, name="dense")(x))
    random = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(random.uniform(0.1, 1.0, variable.shape).astype("float32"))
    return model
