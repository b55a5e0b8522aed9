"""LeNet-5 and its half, the pair on which the field compares itself on MNIST.

Source: LeCun et al. 1998, section II.B, as used by DAFL (Chen et al. 2019, section 4.1): ReLU, max
pooling, full second convolution.
"""

from functools import partial
from typing import TYPE_CHECKING

from kextract.models.spec import Cost, ModelSpec, scaled

if TYPE_CHECKING:
    import keras


def lenet5(
    scale: float,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    weight_decay: float,
    width: float = 1.0,
) -> "keras.Model":
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `scale` and `width` multiply all widths. The first convolution pads 28x28 images as if they were
    32x32, and the third, which sees a whole 5x5 map, is a dense layer so that other sizes fit.
    """
    import keras

    penalty = keras.regularizers.L2(weight_decay)
    inputs = keras.Input(input_shape)
    x = inputs
    for index, (filters, padding) in enumerate(((6, "same"), (16, "valid"))):
        x = keras.layers.Conv2D(
            scaled(filters, scale * width),
            5,
            padding=padding,
            activation="relu",
            kernel_regularizer=penalty,
            name=f"conv2d_{index}",
        )(x)
        x = keras.layers.MaxPooling2D(name=f"pooling_{index}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for index, units in enumerate((120, 84)):
        x = keras.layers.Dense(
            scaled(units, scale * width),
            activation="relu",
            kernel_regularizer=penalty,
            name=f"dense_{index}",
        )(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="lenet5" if scale == 1 else "lenet5-half")


LENET5 = ModelSpec(
    "LeNet-5 with ReLU, 62k parameters on MNIST",
    partial(lenet5, 1.0),
    poolings=("none",),
    normalizes=False,
    cost=Cost(83_126, 886_440),
)
LENET5_HALF = ModelSpec(
    "LeNet-5 at half width, 16k parameters",
    partial(lenet5, 0.5),
    poolings=("none",),
    normalizes=False,
    cost=Cost(21_168, 337_020),
)
