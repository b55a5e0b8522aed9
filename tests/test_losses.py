from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from kextract.losses import article_distillation, cross_entropy, divergence

Array = NDArray[np.float64]
CLASSES = 5
RANDOM = np.random.default_rng(0)
TEACHER, STUDENT = RANDOM.normal(0, 3, (2, 7, CLASSES))
LABELS = RANDOM.integers(0, CLASSES, 7)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def constant(values: Array) -> tf.Tensor:
    return tf.constant(values, tf.float32)


def distillation(teacher: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    return tf.reduce_mean(divergence(teacher, student, temperature))


def student_gradient(loss: Any, student: Array) -> Array:
    logits = constant(student)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits)
    result: Array = tape.gradient(value, logits).numpy()
    return result


def test_cross_entropy_is_the_mean_of_the_surprise_at_the_labels() -> None:
    expected = -np.log(softmax(STUDENT)[np.arange(7), LABELS]).mean()
    found = float(cross_entropy(tf.constant(LABELS, tf.int32), constant(STUDENT)))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_is_the_softened_divergence_times_the_square_of_the_temperature(
    temperature: float,
) -> None:
    target, answer = softmax(TEACHER / temperature), softmax(STUDENT / temperature)
    expected = (target * np.log(target / answer)).sum(axis=-1).mean()
    found = float(distillation(constant(TEACHER), constant(STUDENT), temperature))
    assert found == pytest.approx(temperature**2 * expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_is_zero_where_the_student_answers_as_the_teacher(temperature: float) -> None:
    shifted = TEACHER + 2.5
    found = float(distillation(constant(TEACHER), constant(shifted), temperature))
    assert found == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_the_gradient_of_small_logits_does_not_depend_on_the_temperature(
    temperature: float,
) -> None:
    """Hinton et al. 2015, equation 4: (student - teacher) / classes for logits of mean zero."""
    teacher, student = (
        0.01 * (values - values.mean(axis=-1, keepdims=True)) for values in (TEACHER, STUDENT)
    )
    found = student_gradient(lambda s: distillation(constant(teacher), s, temperature), student)
    expected = (student - teacher) / CLASSES / len(student)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_a_student_that_is_far_off_still_has_its_whole_gradient() -> None:
    """At temperature 1 the gradient is the student's probabilities less the teacher's."""
    teacher, student = np.array([[60.0, -60.0]]), np.array([[-60.0, 60.0]])
    found = student_gradient(lambda s: distillation(constant(teacher), s, 1.0), student)
    np.testing.assert_allclose(found, [[-1.0, 1.0]], rtol=1e-5)


def test_the_article_s_loss_takes_the_student_s_probabilities_for_logits() -> None:
    target, answer = softmax(TEACHER), softmax(softmax(STUDENT))
    expected = -(target * np.log(answer)).sum(axis=-1).mean()
    found = float(article_distillation(constant(TEACHER), constant(STUDENT)))
    assert found == pytest.approx(expected, rel=1e-5)
