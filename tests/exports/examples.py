"""A small network that tells images apart, and images for it."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.models.batch_norm import BatchNormalization

SHAPE = (16, 16, 3)
CLASSES = 4
NAMES = ("cat", "dog, wet", "Ääkkönen", "last")


def network() -> keras.Model:
    """A network of all that ours are made of, with statistics and logits as after training."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, padding="same", kernel_regularizer=keras.regularizers.L2(1e-4))(inputs)
    x = layers.ReLU()(BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(BatchNormalization()(layers.Add()([x, y])))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    model = keras.Model(inputs, layers.Dense(CLASSES, dtype="float32", name="logits")(x))
    for _ in range(30):
        model(images(64).astype(np.float32) / 127.5 - 1, training=True)
    logits = model(images(64).astype(np.float32) / 127.5 - 1, training=False).numpy()
    last = model.get_layer("logits")
    spread = 3 / logits.std(axis=0)
    last.kernel.assign(last.kernel * spread)
    last.bias.assign(-logits.mean(axis=0) * spread)
    return model


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Images (n, h, w, c) of four by four squares of random colours."""
    random = np.random.default_rng(seed)
    squares = random.integers(0, 256, (count, 4, 4, SHAPE[-1]), np.uint8)
    grown: NDArray[np.uint8] = squares.repeat(4, axis=1).repeat(4, axis=2)
    return grown


def expected_logits(model: keras.Model, pixels: NDArray[np.uint8]) -> Any:
    """What the network makes of pixels of 0 to 255."""
    return model(pixels.astype(np.float32) / 127.5 - 1, training=False).numpy()
