"""Images and weights for networks that need not have learned anything."""

from typing import Any

import keras
import numpy as np

from kextract.models.statistics import layers_within


def images(*shape: int, seed: int = 0) -> Any:
    """Pixels (n, h, w, c) of -1 to 1, or features (n, c)."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def stirred(network: keras.Model) -> keras.Model:
    """Give every weight a value of its own; variances are positive, and activations stay small."""
    rng = np.random.default_rng(1)
    for layer in layers_within(network):
        for weight in layer.weights:
            scale = np.prod(weight.shape[:-1]) ** -0.5
            values = rng.normal(size=weight.shape) * scale
            weight.assign(1 + 0.1 * abs(values) if "variance" in weight.path else values)
    return network
