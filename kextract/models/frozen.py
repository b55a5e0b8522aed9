"""A teacher that never changes."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kextract.models.batch_norm import hold_statistics


def frozen(model: keras.Model, *, batch_statistics: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the model as a function from images (n, h, w, c) to logits (n, k).

    With `batch_statistics` it normalizes by the statistics of the batch, as the 2020 code did, but
    its own moving averages stay as they are, which that code overwrote.
    """
    if batch_statistics:
        hold_statistics(model)
    return lambda images: model(images, training=batch_statistics)
