"""The small conditional generator whose images a student is taught with."""

from typing import Any

import keras
import tensorflow as tf

from kextract.models.batch_norm import BatchNormalization
from kextract.models.build import precision_policy, weights_drawn_by

MOMENTUM = 0.9
"""Of its running averages: a generator changes faster than a classifier."""


def build_generator(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    latent_size: int,
    channels: int,
    precision: str,
    seed: int,
) -> keras.Model:
    """Build a model from codes (n, latent_size + classes) to float32 images (n, h, w, c).

    A code is Gaussian noise with a one-hot class at its end, see `latent_codes`; images are in
    [-1, 1]. `channels` is the width of the last hidden layer; the first two have twice as many.

    Source: the generator of DAFL (Chen et al. 2019, section 4.1) at a quarter of its width, with a
    class beside the noise.
    """
    height, width, depth = input_shape
    # Two doublings reach the image's size or a little more, which is cut off.
    base = (-(-height // 4), -(-width // 4))
    with weights_drawn_by(seed), precision_policy(precision):
        codes = keras.Input((latent_size + classes,))
        x = keras.layers.Dense(base[0] * base[1] * 2 * channels)(codes)
        x = keras.layers.Reshape((*base, 2 * channels))(x)
        x = BatchNormalization(momentum=MOMENTUM)(x)
        for filters in (2 * channels, channels):
            x = Doubling()(x)
            x = keras.layers.Conv2D(filters, 3, padding="same")(x)
            x = BatchNormalization(momentum=MOMENTUM)(x)
            # In bfloat16 its gradient is the slowest of all: four times as slow as in float32.
            x = keras.layers.LeakyReLU(0.2, dtype="float32")(x)
        x = keras.layers.Conv2D(depth, 3, padding="same")(x)
        excess = ((0, 4 * base[0] - height), (0, 4 * base[1] - width))
        if excess != ((0, 0), (0, 0)):
            x = keras.layers.Cropping2D(excess, dtype="float32")(x)
        images = keras.layers.Activation("tanh", dtype="float32")(x)
        return keras.Model(codes, images, name="generator")


class Doubling(keras.layers.Layer):
    """`keras.layers.UpSampling2D`, with a gradient that a fused kernel takes."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Let every pixel of features (n, h, w, c) be four."""
        return _doubled(features)


@tf.custom_gradient
def _doubled(features: tf.Tensor) -> tuple[tf.Tensor, Any]:
    def gradient(of_doubled: tf.Tensor) -> tf.Tensor:
        return 4 * tf.nn.avg_pool2d(of_doubled, 2, 2, "VALID")

    return tf.repeat(tf.repeat(features, 2, axis=1), 2, axis=2), gradient


def latent_codes(labels: tf.Tensor, latent_size: int, classes: int, seed: tf.Tensor) -> tf.Tensor:
    """Return float32 codes (n, latent_size + classes) for int labels (n,).

    `seed` is int32 (2,): the same seed gives the same noise.
    """
    noise = tf.random.stateless_normal((tf.shape(labels)[0], latent_size), seed)
    return tf.concat([noise, tf.one_hot(labels, classes)], axis=1)
