"""Teachers that can be calculated by hand, and the contexts that methods are made from."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from kextract.config import DistillConfig
from kextract.methods.base import Method, MethodContext
from kextract.methods.making import make_method
from kextract.models.batch_norm import frozen
from tests.training.examples import STUDENT, easy_images, tiny_network

LINEAR_SHAPE = (4, 4, 1)
SMALL = replace(STUDENT, steps_per_epoch=3, batch_size=8, noise_iterations=2, leaves=60)
GIVEN = {"surrogate": easy_images(5).x, "real": 255 - easy_images(5).x}


def linear_teacher(images: tf.Tensor, steepness: float = 1.0) -> tf.Tensor:
    """Predict class 0 for bright images and class 1 for dark ones: logits s and -s."""
    brightness = steepness * tf.reduce_mean(images, axis=[1, 2, 3])
    return tf.stack([brightness, -brightness], axis=1)


def linear_context(config: DistillConfig) -> MethodContext:
    """The linear teacher with the shapes that a network would tell."""
    shapes: Any = SimpleNamespace(input_shape=(None, *LINEAR_SHAPE), output_shape=(None, 2))
    return MethodContext(linear_teacher, shapes, None, config)


def made(teacher: Any = None, **changes: Any) -> Method:
    """The method of a short run, against a network that has learned nothing."""
    config = replace(SMALL, **changes)
    teacher = teacher or tiny_network(1)
    classifier = frozen(teacher, batch_statistics=config.recipe == "article")
    return make_method(MethodContext(classifier, teacher, tiny_network(2), config, GIVEN))


def first_move(rate: float, steps_before: int) -> float:
    """How far Adam moves with fresh moments, by Kingma & Ba 2015, algorithm 1, whatever the slope.

    The moments after one step are 0.1 g and 0.001 g^2; both are corrected as if by then
    `steps_before + 1` steps had been made.
    """
    time: int = steps_before + 1
    return float(rate * (0.1 / (1 - 0.9**time)) / (0.001 / (1 - 0.999**time)) ** 0.5)
