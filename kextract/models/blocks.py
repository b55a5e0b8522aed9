"""The layers of convolutional architectures, with their names, initializer and penalty.

And workarounds for what TensorFlow does slowly or wrongly; the results are the same. `ReLU` and
`Add` are Keras's, with gradients that cause less memory traffic. `safe_to_train` avoids two faults
of convolutions in training.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import keras
import tensorflow as tf

from kextract.models.batch_norm import BatchNormalization
from kextract.models.statistics import layers_within
from kextract.runtime import compiled

NARROW = 16
"""Channels below which oneDNN's strided 1x1 convolution may write out of bounds.

TensorFlow 2.20 crashed with 3 to 8 channels and images of 64x64.
"""
Convolve = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class ReLU(keras.layers.ReLU):
    """`keras.layers.ReLU` without a bound, whose bfloat16 gradient on CPUs is computed as int16.

    A positive bfloat16 is a positive int16, so the gradient is equal to the bit.
    """

    # So Keras writes it to `.keras` files as its own layer, which any Keras can read.
    __module__ = "keras.layers"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the positive part of features of any shape."""
        return _relu(tf.convert_to_tensor(inputs))


class Add(keras.layers.Add):
    """`keras.layers.Add` of two tensors of the same shape, whose gradient needs no shapes.

    This lets TensorFlow fuse the addition into the convolution before it.
    """

    __module__ = "keras.layers"

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Return the sum of two tensors."""
        return _sum(*inputs)


@tf.custom_gradient
def _sum(one: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, Any]:
    return one + other, lambda gradient: (gradient, gradient)


@tf.custom_gradient
def _relu(features: tf.Tensor) -> tuple[tf.Tensor, Any]:
    positive = tf.nn.relu(features)
    whole = features.dtype == tf.bfloat16 and not tf.config.list_physical_devices("GPU")

    def gradient(of_positive: tf.Tensor) -> tf.Tensor:
        if whole:
            return _whole_gradient(of_positive, positive)
        return tf.raw_ops.ReluGrad(gradients=of_positive, features=positive)

    return positive, gradient


# Not inlined, so that inputs stay alive: this kernel takes many times as long when TensorFlow lets
# it write into the memory of its input.
@compiled(reduce_retracing=True, experimental_attributes={"_noinline": True})
def _whole_gradient(of_positive: tf.Tensor, positive: tf.Tensor) -> tf.Tensor:
    whole = tf.raw_ops.ReluGrad(
        gradients=tf.bitcast(of_positive, tf.int16), features=tf.bitcast(positive, tf.int16)
    )
    return tf.bitcast(whole, tf.bfloat16)


def safe_to_train(model: keras.Model) -> keras.Model:
    """Replace how a model's convolutions are computed, with equal results; return the model itself.

    Narrow 1x1 convolutions select pixels before they convolve instead of using a stride, which may
    crash (see `NARROW`). Convolutions whose outputs are added have the same bias gradient, which
    TensorFlow computes together with the kernel gradient of whichever comes first. In bfloat16 the
    results differ, so a run would not repeat; here each convolution gets a gradient of its own.
    """
    apart = _Apart()
    for layer in layers_within(model):
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        convolve: Convolve = layer.convolution_op
        one_place = layer.kernel_size == (1, 1) and layer.strides != (1, 1)
        if one_place and layer.kernel.shape[-2] < NARROW:
            convolve = partial(_convolve_every, layer)
        if layer.use_bias:
            convolve = partial(apart.convolve, convolve)
        layer.convolution_op = convolve
    return model


def _convolve_every(
    layer: keras.layers.Conv2D, inputs: keras.KerasTensor, kernel: keras.KerasTensor
) -> keras.KerasTensor:
    rows, columns = (slice(None, None, stride) for stride in layer.strides)
    last = layer.data_format == "channels_last"
    seen = inputs[:, rows, columns] if last else inputs[:, :, rows, columns]
    return keras.ops.conv(seen, kernel, data_format=layer.data_format)


class _Apart:
    """Gives each convolution a gradient tensor of its own, equal to that of the others."""

    def __init__(self) -> None:
        self._taken: WeakKeyDictionary[tf.Graph, set[str]] = WeakKeyDictionary()

    def convolve(self, convolve: Convolve, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        alone = tf.custom_gradient(lambda features: (tf.identity(features), self._gradient))
        return alone(convolve(inputs, kernel))

    def _gradient(self, gradient: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            return gradient
        taken = self._taken.setdefault(gradient.graph, set())
        if gradient.name not in taken:
            taken.add(gradient.name)
            return gradient
        # Unlike `tf.identity`, this survives TensorFlow's graph optimization.
        return tf.ensure_shape(gradient, gradient.shape)


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
