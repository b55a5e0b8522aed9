"""What goes into a model's batch normalizations (to be replaced by the general one)."""

import keras
import tensorflow as tf


def answers_and_inputs(
    model: keras.Model, images: tf.Tensor
) -> tuple[tf.Tensor, list[tuple[keras.layers.BatchNormalization, tf.Tensor]]]:
    """Return the answers to images, and each batch normalization with what it normalizes."""
    layers = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    if not layers:
        return model(images, training=False), []
    probe = keras.Model(model.input, [model.output, *(layer.input for layer in layers)])
    answer, *inputs = tf.nest.flatten(probe(images, training=False))
    return answer, list(zip(layers, inputs, strict=True))
