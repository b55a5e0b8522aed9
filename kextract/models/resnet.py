"""ResNet-v2 with bottleneck blocks: the seed article's network, at any depth 9n + 2.

Source: the `resnet_v2` of Keras's CIFAR-10 example (2020), after He et al. 2016, "Identity mappings
in deep residual networks", section 4. The article's "ResNet 12" is depth 11 plus its classifier.
"""

import keras

from kextract.models.batch_norm import BatchNormalization
from kextract.models.naming import LayerNames
from kextract.models.pooling import ARTICLE_POOL


def resnet(
    depth: int,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    pooling: str,
    weight_decay: float,
) -> keras.Model:
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `pooling` is `global`, `article` (8x8 averages) or `none`. `weight_decay` is the L2 penalty on
    convolution kernels, which `model.losses` holds.
    """
    blocks = _Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, 16, 3)
    x = blocks.activation(blocks.normalization(x))

    width = 16
    for stage in range(3):
        width_out = width * (4 if stage == 0 else 2)
        for block in range((depth - 2) // 9):
            first = block == 0
            stride = 2 if first and stage > 0 else 1
            # The network's first block follows an activation, so it does not begin with another.
            branch = x if first and stage == 0 else blocks.activation(blocks.normalization(x))
            branch = blocks.convolution(branch, width, 1, stride)
            branch = blocks.activated_convolution(branch, width, 3)
            branch = blocks.activated_convolution(branch, width_out, 1)
            shortcut = blocks.convolution(x, width_out, 1, stride) if first else x
            x = keras.layers.Add(name=blocks.name("add"))([shortcut, branch])
        width = width_out

    x = blocks.activation(blocks.normalization(x))
    x = _pool(x, pooling)
    logits = keras.layers.Dense(classes, dtype="float32", name=blocks.name("dense"))(x)
    return keras.Model(inputs, logits, name=f"resnet{depth}")


def _pool(x: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    if pooling == "global":
        return keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    if pooling == "article":
        x = keras.layers.AveragePooling2D(ARTICLE_POOL, name="pooling")(x)
    return keras.layers.Flatten(name="flatten")(x)


class _Blocks:
    """Makes named layers with the article's initializer and penalty."""

    def __init__(self, weight_decay: float) -> None:
        self.name = LayerNames()
        self._weight_decay = weight_decay

    def convolution(
        self, x: keras.KerasTensor, filters: int, kernel: int, stride: int = 1
    ) -> keras.KerasTensor:
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(self._weight_decay),
            name=self.name("conv2d"),
        )(x)

    def normalization(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return BatchNormalization(name=self.name("batch_normalization"))(x)

    def activation(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.ReLU(name=self.name("re_lu"))(x)

    def activated_convolution(
        self, x: keras.KerasTensor, filters: int, kernel: int
    ) -> keras.KerasTensor:
        return self.convolution(self.activation(self.normalization(x)), filters, kernel)
