"""Wide residual networks, WRN-depth-width: the field's teachers and students on CIFAR-10.

Source: Zagoruyko & Komodakis 2016, "Wide residual networks", section 2, without dropout.
"""

import keras

from kextract.models.batch_norm import BatchNormalization
from kextract.models.naming import LayerNames


def wide_resnet(
    depth: int,
    width: int,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    weight_decay: float,
) -> keras.Model:
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `depth` is 6n + 4: three groups of n blocks of two 3x3 convolutions. Convolutions have no bias.
    """
    name = LayerNames()

    def convolution(x: keras.KerasTensor, filters: int, kernel: int, stride: int = 1):  # type: ignore[no-untyped-def]
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(weight_decay),
            name=name("conv2d"),
        )(x)

    def activated(x: keras.KerasTensor):  # type: ignore[no-untyped-def]
        x = BatchNormalization(name=name("batch_normalization"))(x)
        return keras.layers.ReLU(name=name("re_lu"))(x)

    inputs = keras.Input(input_shape)
    x = convolution(inputs, 16, 3)
    for group in range(3):
        filters = 16 * width * 2**group
        for block in range((depth - 4) // 6):
            stride = 2 if block == 0 and group > 0 else 1
            entry = activated(x)
            branch = activated(convolution(entry, filters, 3, stride))
            branch = convolution(branch, filters, 3)
            # Where the width changes, the shortcut is a convolution of the activated entry.
            same_shape = x.shape[-1] == filters and stride == 1
            shortcut = x if same_shape else convolution(entry, filters, 1, stride)
            x = keras.layers.Add(name=name("add"))([shortcut, branch])
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(activated(x))
    logits = keras.layers.Dense(classes, dtype="float32", name="dense")(x)
    return keras.Model(inputs, logits, name=f"wrn-{depth}-{width}")
