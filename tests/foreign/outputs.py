"""What a network that was read gives, as its file would have it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.foreign.network import ReadNetwork
from tests.common import softmax


def outputs_of(network: ReadNetwork, images: NDArray[Any]) -> NDArray[np.float32]:
    """Give the outputs (n, k) for images, with the softmax or sigmoid that was taken off."""
    given = images.reshape(len(images), *network.model.input_shape[1:])
    logits = network.model(given, training=False).numpy()
    if network.head == "softmax":
        return softmax(logits).astype(np.float32)
    return np.asarray(1 / (1 + np.exp(-logits))) if network.head == "sigmoid" else logits
