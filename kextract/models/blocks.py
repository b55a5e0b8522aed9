"""The layers of convolutional architectures, with their names, initializer and penalty."""

from collections import Counter

import keras

from kextract.models.batch_norm import BatchNormalization
from kextract.models.tf_workarounds import NARROW, Add, ReLU


class Blocks:
    """Makes layers whose names depend only on the order of their creation.

    Kernels are initialized after He et al. 2015 ("Delving deep into rectifiers", section 2.2) and
    have an L2 penalty of `weight_decay`, found in `model.losses`.
    """

    def __init__(self, weight_decay: float, *, bias: bool = False) -> None:
        self.name = LayerNames()
        self._weight_decay = weight_decay
        self._bias = bias

    def convolution(
        self, x: keras.KerasTensor, filters: int, kernel: int, stride: int = 1
    ) -> keras.KerasTensor:
        """Convolve features (n, h, w, c) to `filters` channels."""
        if kernel == 1 and stride > 1 and x.shape[-1] < NARROW:
            # The result is the same: a strided 1x1 kernel sees no other pixels.
            x = keras.layers.AveragePooling2D(1, stride, name=self.name("average_pooling2d"))(x)
            stride = 1
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=self._bias,
            kernel_initializer="he_normal",
            kernel_regularizer=keras.regularizers.L2(self._weight_decay),
            name=self.name("conv2d"),
        )(x)

    def depthwise(self, x: keras.KerasTensor, stride: int = 1) -> keras.KerasTensor:
        """Convolve each channel with its own 3x3 kernel, without a penalty.

        Nine numbers a channel hardly overfit; Howard et al. 2017, section 3.1, leave it out too.
        """
        return keras.layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            name=self.name("depthwise_conv2d"),
        )(x)

    def normalization(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Normalize every channel."""
        return BatchNormalization(name=self.name("batch_normalization"))(x)

    def activation(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Apply a ReLU."""
        return ReLU(name=self.name("re_lu"))(x)

    def normalized(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Normalize, then apply a ReLU."""
        return self.activation(self.normalization(x))

    def sum(self, x: keras.KerasTensor, y: keras.KerasTensor) -> keras.KerasTensor:
        """Add features of the same shape."""
        return Add(name=self.name("add"))([x, y])

    def logits(self, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
        """Classify vectors (n, c): float32 logits (n, classes)."""
        return keras.layers.Dense(classes, dtype="float32", name=self.name("dense"))(x)


class LayerNames:
    """Numbers layers by kind in the order of their creation, as `tf.keras` did in a new process.

    The first is `conv2d`, the next `conv2d_1`: weights files of 2020 go by these names.
    """

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()

    def __call__(self, kind: str) -> str:
        """Return the next name for a layer of this kind."""
        number = self._made[kind]
        self._made[kind] += 1
        return f"{kind}_{number}" if number else kind
