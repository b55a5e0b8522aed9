"""What TensorFlow does slowly or wrongly, done otherwise with the same numbers.

`ReLU` and `Add` are Keras's, with gradients that cost less memory traffic. `safe_to_train` keeps
clear of two faults of convolutions, which show while a network is trained.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import keras
import tensorflow as tf

from kextract.graph import compiled
from kextract.models.statistics import layers_within

NARROW = 16
"""Channels below which oneDNN's strided 1x1 convolution may write beyond its memory.

Seen to crash TensorFlow 2.20 with 3 to 8 channels and images of 64x64.
"""
Convolve = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class ReLU(keras.layers.ReLU):
    """`keras.layers.ReLU` without a bound; on processors its bfloat16 gradient is of whole numbers.

    A positive bfloat16 is a positive int16, so the gradient is the same to the bit.
    """

    # So that Keras writes it into a `.keras` file as its own, and anybody's Keras can read it.
    __module__ = "keras.layers"

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the positive part of features of any shape."""
        return _relu(tf.convert_to_tensor(inputs))


class Add(keras.layers.Add):
    """`keras.layers.Add` of two tensors of one shape, which their gradient need not ask for.

    So TensorFlow lets the convolution before it add the other tensor as it writes.
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


# Not inlined, since a caller keeps what it gives: this kernel's loop takes many times as long where
# TensorFlow lets it write into the memory of what it reads.
@compiled(reduce_retracing=True, experimental_attributes={"_noinline": True})
def _whole_gradient(of_positive: tf.Tensor, positive: tf.Tensor) -> tf.Tensor:
    whole = tf.raw_ops.ReluGrad(
        gradients=tf.bitcast(of_positive, tf.int16), features=tf.bitcast(positive, tf.int16)
    )
    return tf.bitcast(whole, tf.bfloat16)


def safe_to_train(model: keras.Model) -> keras.Model:
    """Let a model's convolutions be computed otherwise: the same numbers. Returns the model itself.

    Narrow 1x1 convolutions leave pixels out before they convolve, instead of with a stride, which
    may crash (see `NARROW`). Convolutions that are added up share the gradient of their biases.
    TensorFlow sums it along with the gradient of one of the kernels, whichever it comes upon first,
    and in bfloat16 the sums differ, so that a run would not repeat; here only one kernel can be it.
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
    """Gives each convolution a gradient of its own, of the same numbers as others'."""

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
        # Unlike `tf.identity`, this is still there when TensorFlow has optimized the graph.
        return tf.ensure_shape(gradient, gradient.shape)
