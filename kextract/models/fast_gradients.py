"""ReLU and sum as Keras has them, with gradients that cost less memory traffic."""

from typing import Any

import keras
import tensorflow as tf

from kextract.graph import compiled


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
