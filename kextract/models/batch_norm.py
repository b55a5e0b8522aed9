"""Batch normalization as one fused kernel.

On TensorFlow, Keras 3 composes batch normalization of small operations. `FusedBatchNormV3` computes
the same in one pass over memory, forwards and backwards, and takes bfloat16 images with float32
statistics.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kextract.models.statistics import batch_norm_layers


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` for images (n, h, w, c), with scale and centre.

    Variables and class name are the same, hence also the place in a weights file. Images may be
    float32 or bfloat16; statistics are float32, over all axes but the last. The moving average
    takes the variance with Bessel's correction, as TensorFlow 1 and 2 and files of their time do;
    Keras 3 takes the uncorrected one. Replicas of a `tf.distribute` strategy that share a batch use
    the statistics of the whole batch.
    """

    # So Keras writes it to `.keras` files as its own layer, which any Keras can read.
    __module__ = "keras.layers"

    moves_statistics = True
    """Whether a pass with `training=True` updates the moving averages; see `hold_statistics`."""

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Normalize images with batch statistics if `training`, else with the moving averages."""
        del mask
        variables = self.gamma, self.beta, self.moving_mean, self.moving_variance
        parameters = tuple(tf.convert_to_tensor(variable.value) for variable in variables)
        if not (training and self.trainable):
            return _normalized(inputs, parameters, self.epsilon)
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            mean, variance, uncorrected = _shared_moments(inputs, replica)
            slope = parameters[0] * tf.math.rsqrt(uncorrected + self.epsilon)
            outputs = _affine(inputs, slope, parameters[1] - mean * slope)
        else:
            outputs, mean, variance, *_ = _fused(inputs, parameters, self.epsilon, training=True)
        if self.moves_statistics:
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


Parameters = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""Scale, offset, mean and variance of each channel, float32 (c,) each."""


def _fused(features: tf.Tensor, parameters: Parameters, epsilon: float, *, training: bool) -> Any:
    scale, offset, mean, variance = parameters
    return tf.raw_ops.FusedBatchNormV3(
        x=features,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=training,
    )


def _normalized(features: tf.Tensor, parameters: Parameters, epsilon: float) -> tf.Tensor:
    """Normalize features (n, h, w, c) by given statistics.

    The gradient takes one pass. The kernel's own gradient always includes those of scale and
    offset; here a `tf.function` leaves them out unless they are used.
    """
    _, _, mean, variance = parameters

    @tf.custom_gradient
    def normalize(features: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> Any:
        outputs, *_ = _fused(features, (scale, offset, mean, variance), epsilon, training=False)

        def gradient(of_outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
            _, of_scale, of_offset, *_ = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=of_outputs,
                x=features,
                scale=scale,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=tf.zeros(0),
                epsilon=epsilon,
                is_training=False,
            )
            slope = scale * tf.math.rsqrt(variance + epsilon)
            return _affine(of_outputs, slope, tf.zeros_like(slope)), of_scale, of_offset

        return outputs, gradient

    return normalize(features, *parameters[:2])


def _affine(features: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Return features (n, h, w, c) times `scale` (c,) plus `offset` (c,).

    One pass of the fused kernel takes a third of the time of a product and a sum in bfloat16, and
    rounds once instead of twice.
    """
    mean = tf.zeros_like(scale)
    # They sum to exactly 1; GPU kernels refuse a much smaller epsilon.
    variance, epsilon = mean + (1 - 2.0**-10), 2.0**-10
    outputs, *_ = _fused(features, (scale, offset, mean, variance), epsilon, training=False)
    return outputs


@tf.custom_gradient
def batch_moments(features: tf.Tensor) -> tuple[Any, Any]:
    """Return the mean and the variance of each channel, float32 (c,), of features (n, ..., c).

    Features are images (n, h, w, c), or vectors (n, c) as a dense layer gives them, n at least 2.
    One pass of the fused kernel over bfloat16 or float32 features, and one backwards, take a
    quarter of the time of `tf.nn.moments`. The variance has Bessel's correction, like the moving
    averages.
    """
    channels = features.shape[-1]
    count = tf.cast(tf.size(features) // channels, tf.float32)
    unused = tf.zeros(0)
    parameters = tf.ones(channels), tf.zeros(channels), unused, unused
    _, mean, variance, *_ = _fused(_as_images(features), parameters, 1e-4, training=True)

    def gradient(of_mean: tf.Tensor, of_variance: tf.Tensor) -> tf.Tensor:
        slope = 2.0 * of_variance / (count - 1.0)
        offset = of_mean / count - slope * mean
        return tf.reshape(_affine(_as_images(features), slope, offset), tf.shape(features))

    return (mean, variance), gradient


def _shared_moments(features: tf.Tensor, replica: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return moments (c,) over all replicas: mean, corrected variance, uncorrected variance.

    Partial sums of squares are combined after Chan et al. 1983, "Algorithms for computing the
    sample variance". Replicas exchange values once forwards and once backwards.
    """
    mean, variance = batch_moments(features)
    count = tf.cast(tf.size(features) // features.shape[-1], tf.float32)
    sums = tf.stack(
        [
            count * mean,
            (count - 1.0) * variance + count * tf.square(mean),
            tf.fill(tf.shape(mean), count),
        ]
    )
    total, squares, counts = tf.unstack(replica.all_reduce(tf.distribute.ReduceOp.SUM, sums))
    mean = total / counts
    uncorrected = tf.maximum(squares / counts - tf.square(mean), 0.0)
    return mean, uncorrected * counts / (counts - 1.0), uncorrected


def _as_images(features: tf.Tensor) -> tf.Tensor:
    """Reshape features (n, ..., c) to the four axes that the fused kernel needs."""
    if len(features.shape) == 4:
        return features
    return tf.reshape(features, (-1, 1, 1, features.shape[-1]))


def frozen(model: keras.Model, *, batch_statistics: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the model as a function from images (n, h, w, c) to logits (n, k).

    With `batch_statistics` it normalizes by the statistics of the batch, as the 2020 code did, but
    leaves its moving averages unchanged, which that code overwrote.
    """
    if batch_statistics:
        hold_statistics(model)
    return lambda images: model(images, training=batch_statistics)
