"""A teacher that has learned something, and the context of a generator trained against it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.config import DistillConfig, InversionConfig, TeacherConfig
from kextract.methods.base import MethodContext
from kextract.methods.generator import Synthesizer
from kextract.methods.inversion import Inversion
from kextract.models.batch_norm import BatchNormalization, frozen
from kextract.records import Event
from kextract.training.teacher import train_teacher
from tests.training.examples import easy_images, tiny_network

RULES = InversionConfig(
    latent_size=8,
    generator_channels=4,
    generator_learning_rate=5e-3,
    synthesis_batch_size=12,
    warm_up=5,
    round_updates=4,
    generator_steps=3,
    new_images=12,
    first_images=24,
    bank_size=48,
    adversarial_weight=0.0,
)
CONFIG = DistillConfig(
    method="inversion", steps_per_epoch=6, batch_size=5, precision="float32", inversion=RULES
)


def taught_network() -> Any:
    """The tiny network, which has a batch normalization, after it has learned the easy images."""
    model = tiny_network()
    config = TeacherConfig(epochs=8, batch_size=8, learning_rate=0.01, patience=0)
    assert list(train_teacher(model, easy_images(48), easy_images(24, 1), config, flip=False))
    return model


def network(*, channels: int = 1, classes: int = 3, normalized: bool = True) -> Any:
    """A teacher that has learned nothing, with or without a batch normalization."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, channels))
    x = keras.layers.Conv2D(4, 3, strides=4, name="before")(inputs)
    x = BatchNormalization()(x) if normalized else x
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(x)))


def context(teacher: Any, student: Any = None, seed: int = 0, **rules: Any) -> MethodContext:
    """The context; `rules` are changes to how the generator is trained."""
    config = replace(CONFIG, seed=seed, inversion=replace(RULES, **rules))
    classifier = frozen(teacher, batch_statistics=False)
    return MethodContext(classifier, teacher, student or tiny_network(9), config)


def beginning_of(part: Inversion | Synthesizer) -> dict[str, NDArray[Any]]:
    """Return the state of a method or of its generator, to begin anew with."""
    return {name: np.array(value) for name, value in part.state().items()}


def followed(method: Inversion, epochs: int = 1, first: int = 1) -> Iterator[Event]:
    """Do what the student loop does, without a student, and yield its events."""
    for epoch in range(first, first + epochs):
        for step in range(CONFIG.steps_per_epoch):
            yield from method.refresh(epoch, step)
            method.batch()
