"""A Keras network as a teacher, which has everything to offer."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import scale
from kextract.graph import compiled
from kextract.models.axes import Shape
from kextract.models.batches import at_once, in_batches
from kextract.teachers.model_file import AT_ONCE


class KerasTeacher:
    """A `BlackBox` around a network from images (n, h, w, c) in [-1, 1] to logits (n, k)."""

    def __init__(self, network: keras.Model, name: str, *, by_label: bool = False) -> None:
        """Take a network; one of labels that are each on their own gives their sigmoids."""
        self.name = name
        self.outputs = "sigmoids" if by_label else "logits"
        self.network = network
        height, width, channels = network.input_shape[1:]
        self.input_shape: Shape = (height, width, channels)
        self.classes = int(network.output_shape[-1])

        def forward(images: tf.Tensor) -> tf.Tensor:
            logits = network(images, training=False)
            return tf.sigmoid(logits) if by_label else logits

        self._forward = compiled(
            forward,
            input_signature=[tf.TensorSpec(network.input_shape, tf.float32)],
        )

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the outputs (n, k) of images (n, h, w, c)."""
        size = at_once(self.network, AT_ONCE)
        return in_batches(lambda part: self._forward(tf.constant(scale(part))), images, size)
