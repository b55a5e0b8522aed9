"""Classifiers as people write them, following tutorials."""

from collections.abc import Callable
from typing import Any

import keras

from tests.foreign.keras.examples import filled

L = keras.layers


def first_steps() -> Any:
    """Images of (28, 28), as the first page of every tutorial has them."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            L.Flatten(),
            L.Dense(32, activation="relu"),
            L.Dropout(0.2),
            L.Dense(10, activation="softmax"),
        ]
    )


def rows_of_pixels() -> Any:
    """Digits of 28x28 pixels in a row, as pages without convolutions have them."""
    return keras.Sequential(
        [keras.Input((784,)), L.Dense(16, activation="relu"), L.Dense(10, activation="softmax")]
    )


def dictionary_of_one_output() -> Any:
    image = keras.Input((16, 16, 1))
    x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="gelu")(image))
    return keras.Model(image, {"label": L.Dense(4, activation="softmax")(x)})


def cats_and_dogs() -> Any:
    """One unit that says how likely it is a dog."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            L.Rescaling(1.0 / 255),
            L.SeparableConv2D(4, 3, activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(1, activation="sigmoid"),
        ]
    )


def residual() -> Any:
    image = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3, padding="same", kernel_initializer="he_normal")(image)
    y = L.Activation("relu")(L.BatchNormalization()(x))
    y = L.Conv2D(4, 3, padding="same")(y)
    x = L.PReLU(shared_axes=[1, 2])(L.add([x, y]))
    x = L.concatenate([x, L.ZeroPadding2D(1)(L.Cropping2D(1)(x))])
    return keras.Model(image, L.Dense(3, "softmax")(L.Flatten()(L.MaxPooling2D(4)(x))))


def _base() -> Any:
    image = keras.Input((32, 32, 3))
    x = L.Conv2D(4, 3, strides=2, name="base_conv")(image)
    x = L.BatchNormalization(name="base_norm")(x)
    x = L.ReLU(6.0)(x)
    x = L.BatchNormalization(name="base_norm_2")(L.DepthwiseConv2D(3, name="base_depth")(x))
    return filled(keras.Model(image, x, name="base"))


def fine_tuned() -> Any:
    """The same in a Sequential model, with the last layers of the inner one trained further."""
    base = _base()
    for layer in base.layers[:3]:
        layer.trainable = False
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            L.Rescaling(1.0 / 255),
            base,
            L.GlobalAveragePooling2D(),
            L.Dense(3, activation="softmax"),
        ]
    )


TUTORIALS: dict[str, Callable[[], Any]] = {
    build.__name__: build
    for build in (
        first_steps,
        rows_of_pixels,
        dictionary_of_one_output,
        cats_and_dogs,
        residual,
        fine_tuned,
    )
}
