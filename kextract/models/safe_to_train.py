"""Keeps clear of two faults of TensorFlow's convolutions, which show while a network is trained."""

from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

import keras
import tensorflow as tf

from kextract.models.blocks import NARROW
from kextract.models.statistics import layers_within

Convolve = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


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
