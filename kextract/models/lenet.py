"""LeNet-5 and its half, the pair on which the field compares itself on MNIST.

Source: LeCun et al. 1998, section II.B, as used by DAFL (Chen et al. 2019, section 4.1): ReLU, max
pooling, full second convolution.
"""

import keras


def lenet5(
    scale: float, input_shape: tuple[int, int, int], classes: int, *, weight_decay: float
) -> keras.Model:
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `scale` multiplies all widths. The first convolution pads 28x28 images as if they were 32x32,
    and the third, which sees a whole 5x5 map, is a dense layer so that other sizes fit.
    """
    penalty = keras.regularizers.L2(weight_decay)

    def width(full: int) -> int:
        return round(full * scale)

    inputs = keras.Input(input_shape)
    x = inputs
    for index, (filters, padding) in enumerate(((width(6), "same"), (width(16), "valid"))):
        x = keras.layers.Conv2D(
            filters,
            5,
            padding=padding,
            activation="relu",
            kernel_regularizer=penalty,
            name=f"conv2d_{index}",
        )(x)
        x = keras.layers.MaxPooling2D(name=f"pooling_{index}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for index, units in enumerate((width(120), width(84))):
        x = keras.layers.Dense(
            units, activation="relu", kernel_regularizer=penalty, name=f"dense_{index}"
        )(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="lenet5" if scale == 1 else "lenet5-half")
