"""A problem and a network that are small enough to train within a test."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kextract.config import DistillConfig, InversionConfig
from kextract.datasets.images import Images
from kextract.methods import METHODS
from kextract.methods.base import Batch, Method, MethodContext
from kextract.models.batch_norm import BatchNormalization
from kextract.records import EpochRecord, Event

SHAPE = (16, 16, 1)
CLASSES = 3
WAYS = [
    (name, recipe) for name, spec in METHODS.items() for recipe in spec.recipes if not spec.asks
]
"""Every method that has its teacher at hand by every recipe that it knows."""
SMALL_INVERSION = InversionConfig(
    latent_size=4,
    generator_channels=2,
    synthesis_batch_size=6,
    warm_up=3,
    round_updates=2,
    generator_steps=2,
    new_images=6,
    first_images=12,
    bank_size=30,
    adversarial_after=2,
)
STUDENT = DistillConfig(
    epochs=3,
    steps_per_epoch=6,
    batch_size=4,
    learning_rate=0.01,
    noise_iterations=4,
    leaves=12,
    precision="float32",
    inversion=SMALL_INVERSION,
)
"""A short run. Six updates are one lot of four batches of noise crafted at once and one of two."""
CORNERS = ((0, 0), (0, 8), (8, 0))


def easy_images(count: int, seed: int = 0) -> Images:
    """Dim noise with one bright corner, which is the class; as many images of every class."""
    random = np.random.default_rng(seed)
    x = random.integers(60, 120, (count, *SHAPE), dtype=np.uint8)
    y = np.arange(count) % CLASSES
    for image, label in zip(x, y, strict=True):
        top, left = CORNERS[label]
        image[top : top + 8, left : left + 8] += np.uint8(100)
    return Images(x, y)


def flat_images(count: int) -> Images:
    """The same grey image again and again, under every label as often.

    Whatever a model predicts, it is right for one image in three.
    """
    return Images(np.full((count, *SHAPE), 90, np.uint8), np.arange(count) % CLASSES)


def tiny_network(seed: int = 0, weight_decay: float = 1e-3) -> Any:
    """A convolution with our batch normalization and a weight penalty, and a classifier."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE)
    penalty = keras.regularizers.L2(weight_decay)
    x = keras.layers.Conv2D(4, 3, strides=4, kernel_regularizer=penalty, name="conv2d")(inputs)
    x = keras.layers.ReLU()(BatchNormalization(name="batch_normalization")(x))
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="dense")(x))


class Album(Method):
    """A method that gives the same images (n, h, w, c) for every update, with logits if it has."""

    def __init__(self, images: Any, logits: Any = None) -> None:
        super().__init__(MethodContext(None, None, None, DistillConfig()))
        self.images = tf.constant(images)
        self._logits = None if logits is None else tf.constant(logits, tf.float32)
        self.asked: list[tuple[int, int]] = []

    def _prepare(self, epoch: int, step: int) -> tuple[()]:
        self.asked.append((epoch, step))
        return ()

    def _make_batch(self) -> Batch:
        return Batch(self.images, self._logits)

    def metrics(self) -> dict[str, float]:
        return {"pages": float(len(self.asked))}


def records(events: Iterable[Event]) -> list[EpochRecord]:
    return [event for event in events if isinstance(event, EpochRecord)]


def figures(history: Iterable[EpochRecord]) -> list[dict[str, Any]]:
    """What a history says, without the times."""
    kept = []
    for record in history:
        row = record.to_dict()
        row["details"] = {k: v for k, v in row["details"].items() if not k.endswith("seconds")}
        kept.append({name: value for name, value in row.items() if name != "seconds"})
    return kept


def snapshot(model: Any) -> list[bytes]:
    """Every variable of a model to the bit."""
    return [value.tobytes() for value in model.get_weights()]
