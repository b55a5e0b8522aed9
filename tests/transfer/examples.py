"""A teacher that can be calculated by hand."""

import tensorflow as tf

LINEAR_SHAPE = (4, 4, 1)


def linear_teacher(images: tf.Tensor, steepness: float = 1.0) -> tf.Tensor:
    """Answer class 0 for bright images and class 1 for dark ones: logits s and -s."""
    brightness = steepness * tf.reduce_mean(images, axis=[1, 2, 3])
    return tf.stack([brightness, -brightness], axis=1)


def first_move(rate: float, steps_before: int) -> float:
    """How far Adam moves with fresh moments, by Kingma & Ba 2015, algorithm 1, whatever the slope.

    The moments after one step are 0.1 g and 0.001 g^2; both are corrected as if by then
    `steps_before + 1` steps had been made.
    """
    time: int = steps_before + 1
    return float(rate * (0.1 / (1 - 0.9**time)) / (0.001 / (1 - 0.999**time)) ** 0.5)
