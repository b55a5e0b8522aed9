"""Batch normalization as one fused kernel.

Keras 3 builds batch normalization from small operations on TensorFlow; `FusedBatchNormV3` does the
same arithmetic in one pass over memory, forwards and backwards, and takes bfloat16 images with
float32 statistics.
"""

from typing import Any

import keras
import tensorflow as tf

from kextract.models.statistics import batch_norm_layers


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` for images (n, h, w, c), with scale and centre.

    It has the same variables and the same class name, hence the same place in a weights file.
    Images may be float32 or bfloat16; statistics are float32, taken over all axes but the last.
    The variance that enters the moving average has Bessel's correction, as in TensorFlow 1 and 2,
    and so in files of that time; Keras 3 averages the uncorrected one.
    """

    # So that Keras writes it into a `.keras` file as its own, and anybody's Keras can read it.
    __module__ = "keras.layers"

    moves_statistics = True
    """Whether a pass with `training=True` updates the moving averages; see `hold_statistics`."""

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalize images with batch statistics if `training`, else with the moving averages."""
        del mask
        uses_batch = bool(training) and self.trainable
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=uses_batch,
        )
        if uses_batch and self.moves_statistics:
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return outputs


def hold_statistics(model: keras.Model) -> None:
    """Make `model(images, training=True)` leave the moving averages as they are.

    Batch statistics are still used for normalizing. Must come before the model is traced.
    """
    for layer in batch_norm_layers(model):
        if isinstance(layer, BatchNormalization):
            layer.moves_statistics = False


@tf.custom_gradient
def batch_moments(features: tf.Tensor) -> tuple[Any, Any]:
    """Return the mean and the variance of each channel, float32 (c,), of features (n, ..., c).

    Features are images (n, h, w, c), or vectors (n, c) as a dense layer gives them, n at least 2.
    One pass of the fused kernel over bfloat16 or float32 features, and one backwards: a quarter of
    the time of `tf.nn.moments`. The variance has Bessel's correction, as the moving averages have.
    """
    channels = features.shape[-1]
    count = tf.cast(tf.size(features) // channels, tf.float32)
    _, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=_as_images(features),
        scale=tf.ones(channels),
        offset=tf.zeros(channels),
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        is_training=True,
    )

    def gradient(of_mean: tf.Tensor, of_variance: tf.Tensor) -> tf.Tensor:
        slope = 2.0 * of_variance / (count - 1.0)
        offset = of_mean / count - slope * mean
        return features * tf.cast(slope, features.dtype) + tf.cast(offset, features.dtype)

    return (mean, variance), gradient


def _as_images(features: tf.Tensor) -> tf.Tensor:
    """Give features (n, ..., c) the four axes that the fused kernel asks for."""
    if len(features.shape) == 4:
        return features
    return tf.reshape(features, (-1, 1, 1, features.shape[-1]))
