"""A fast network is the same network: held to float32 and to Keras's own small operations."""

from functools import cache
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.batch_norm import BatchNormalization
from kextract.models.build import build_model

IMAGES = np.random.default_rng(1).uniform(-1, 1, (16, 16, 16, 3)).astype(np.float32)
BOUNDS = ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))
"""Scale, offset, mean and variance of normalizations of a network that has learned something."""
CLASSES = np.arange(16) % 10


@cache
def seen(precision: str, layer: Any, *, training: bool) -> dict[str, Any]:
    """Logits of a resnet11, and the gradients of its loss by images and by its first kernel."""
    with patch("kextract.models.blocks.BatchNormalization", layer):
        model = build_model("resnet11", IMAGES.shape[1:], 10, precision=precision)
    random = np.random.default_rng(0)
    for normalization in model.layers:
        if isinstance(normalization, layer):
            shape = normalization.gamma.shape
            drawn = (random.uniform(low, high, shape) for low, high in BOUNDS)
            normalization.set_weights(list(drawn))
    images, kernel = tf.constant(IMAGES), model.trainable_variables[0].value
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = model(images, training=training)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(CLASSES, logits)
    of_images, of_kernel = tape.gradient(loss, [images, kernel])
    return {"logits": logits, "images": of_images, "kernel": of_kernel}


MEASURED = pytest.mark.parametrize("name", ["logits", "images", "kernel"])
PASS = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])


def difference(one: dict[str, Any], other: dict[str, Any], name: str) -> float:
    """The length of a difference, as a share of the length of what it is from."""
    found, expected = one[name].numpy(), other[name].numpy()
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@PASS
@MEASURED
def test_fused_normalization_is_the_small_operations_to_a_hundred_thousandth(
    name: str, training: bool
) -> None:
    fused = seen("float32", BatchNormalization, training=training)
    plain = seen("float32", keras.layers.BatchNormalization, training=training)
    assert difference(fused, plain, name) < 1e-5


@PASS
@pytest.mark.parametrize(("name", "bound"), [("logits", 0.03), ("images", 0.25), ("kernel", 0.25)])
def test_bfloat16_is_float32_within_its_rounding(name: str, bound: float, training: bool) -> None:
    """Eleven layers, each rounded to 8 bits; a gradient also changes where a ReLU's sign does."""
    fast = seen("bfloat16", BatchNormalization, training=training)
    plain = seen("float32", keras.layers.BatchNormalization, training=training)
    assert difference(fast, plain, name) < bound
