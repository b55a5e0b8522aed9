import numpy as np
import pytest
import tensorflow as tf

from kextract.models.batch_norm import frozen
from kextract.training.evaluation import Predictor, ProbeSet
from tests.training.examples import SHAPE, tiny_network


def test_a_student_that_is_its_teacher_agrees_on_all_that_it_never_saw() -> None:
    teacher = tiny_network(1)
    unseen = ProbeSet(frozen(teacher, batch_statistics=False), SHAPE)
    measured = unseen.measure(Predictor(teacher))
    assert measured["unseen_agreement"] == 1.0
    assert measured["unseen_kl"] == pytest.approx(0.0, abs=1e-6)


def test_a_student_that_says_one_class_agrees_by_chance_however_the_teacher_leans() -> None:
    """Most made-up images are dark, and a dark image is of class 0 here; those chosen are not."""

    def teacher(images: tf.Tensor) -> tf.Tensor:
        brightness = tf.reduce_mean(images, axis=(1, 2, 3))
        return tf.stack([-brightness, brightness, 0.0 * brightness - 9.0], axis=1)

    always = tiny_network(1)
    always.layers[-1].set_weights([np.zeros_like(w) for w in always.layers[-1].get_weights()])
    agreement = ProbeSet(teacher, SHAPE).measure(Predictor(always))["unseen_agreement"]
    assert agreement == pytest.approx(0.5, abs=0.17)
