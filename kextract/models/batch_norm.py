"""Batch normalization as one fused kernel.

Keras 3 builds batch normalization from small operations on TensorFlow; `FusedBatchNormV3` does the
same arithmetic in one pass over memory, forwards and backwards, and takes bfloat16 images with
float32 statistics.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("kextract")
class BatchNormalization(keras.layers.BatchNormalization):
    """Drop-in replacement for `keras.layers.BatchNormalization` on images.

    It has the same variables and the same class name, hence the same place in a weights file.
    `call` maps (n, h, w, c) to (n, h, w, c), float32 or bfloat16; statistics are over all axes but
    the last. Unlike Keras's, the variance that is averaged has Bessel's correction, as in
    TensorFlow 1 and 2 (and so in files of that time).
    """

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        del mask
        use_batch = bool(training) and self.trainable
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=use_batch,
        )
        if use_batch:
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        return outputs

    def _move(self, average: keras.Variable, value: tf.Tensor) -> None:
        average.assign(average.value * self.momentum + value * (1.0 - self.momentum))
