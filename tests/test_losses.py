from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from kextract.losses import (
    article_distillation,
    cross_entropy,
    disagreement,
    distance,
    information_entropy_loss,
    logit_distance,
    statistics_distance,
    total_variation,
)
from tests.common import softmax

Array = NDArray[np.float64]
CLASSES = 5
RANDOM = np.random.default_rng(0)
TEACHER, STUDENT = RANDOM.normal(0, 3, (2, 7, CLASSES))
LABELS = RANDOM.integers(0, CLASSES, 7)


def constant(values: Array) -> tf.Tensor:
    return tf.constant(values, tf.float32)


def distillation(teacher: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    return tf.reduce_mean(distance("kl", temperature)(teacher, student))


def gradient(loss: Any, values: Array) -> Array:
    """The slope of a scalar with respect to its argument."""
    logits = constant(values)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits)
    result: Array = tape.gradient(value, logits).numpy()
    return result


def test_cross_entropy_is_the_mean_of_the_surprise_at_the_labels() -> None:
    expected = -np.log(softmax(STUDENT)[np.arange(7), LABELS]).mean()
    found = float(cross_entropy(tf.constant(LABELS, tf.int32), constant(STUDENT)))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_labels_on_their_own_are_matched_by_the_divergence_of_their_sigmoids(
    temperature: float,
) -> None:
    target, found = (1 / (1 + np.exp(-x / temperature)) for x in (TEACHER, STUDENT))
    yes, no = target * np.log(target / found), (1 - target) * np.log((1 - target) / (1 - found))
    loss = distance("kl", temperature, by_label=True)
    expected = temperature**2 * (yes + no).mean(axis=1)
    np.testing.assert_allclose(loss(constant(TEACHER), constant(STUDENT)), expected, rtol=1e-4)
    apart = distance("l1", temperature, by_label=True)(constant(TEACHER), constant(STUDENT))
    np.testing.assert_allclose(apart, np.abs(TEACHER - STUDENT).mean(axis=1) / 2, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_is_the_softened_divergence_times_the_square_of_the_temperature(
    temperature: float,
) -> None:
    target, answer = softmax(TEACHER / temperature), softmax(STUDENT / temperature)
    expected = (target * np.log(target / answer)).sum(axis=-1).mean()
    found = float(distillation(constant(TEACHER), constant(STUDENT), temperature))
    assert found == pytest.approx(temperature**2 * expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_the_gradient_of_small_logits_does_not_depend_on_the_temperature(
    temperature: float,
) -> None:
    """Hinton et al. 2015, equation 4: (student - teacher) / classes for logits of mean zero."""
    teacher, student = (
        0.01 * (values - values.mean(axis=-1, keepdims=True)) for values in (TEACHER, STUDENT)
    )
    found = gradient(lambda s: distillation(constant(teacher), s, temperature), student)
    expected = (student - teacher) / CLASSES / len(student)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_a_student_that_is_far_off_still_has_its_whole_gradient() -> None:
    """At temperature 1 the gradient is the student's probabilities less the teacher's."""
    teacher, student = np.array([[60.0, -60.0]]), np.array([[-60.0, 60.0]])
    found = gradient(lambda s: distillation(constant(teacher), s, 1.0), student)
    np.testing.assert_allclose(found, [[-1.0, 1.0]], rtol=1e-5)


def test_the_article_s_loss_takes_the_student_s_probabilities_for_logits() -> None:
    target, answer = softmax(TEACHER), softmax(softmax(STUDENT))
    expected = -(target * np.log(answer)).sum(axis=-1).mean()
    found = float(tf.reduce_mean(article_distillation(constant(TEACHER), constant(STUDENT))))
    assert found == pytest.approx(expected, rel=1e-5)


def centred(logits: Array) -> Array:
    result: Array = logits - logits.mean(axis=-1, keepdims=True)
    return result


def test_the_logit_distance_is_the_mean_absolute_difference_of_centred_logits() -> None:
    found = distance("l1", 3.0)(constant(TEACHER), constant(STUDENT)).numpy()
    expected = np.abs(centred(TEACHER) - centred(STUDENT)).mean(axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


CHANNELS = 4
FOUND = [(RANDOM.normal(size=CHANNELS), RANDOM.uniform(1, 2, CHANNELS)) for _ in range(3)]
STORED = [(RANDOM.normal(size=CHANNELS), RANDOM.uniform(1, 2, CHANNELS)) for _ in range(3)]


def moments(pairs: Any) -> Any:
    return [(constant(mean), constant(variance)) for mean, variance in pairs]


def test_the_statistics_distance_adds_up_the_lengths_of_all_differences() -> None:
    expected = sum(
        np.linalg.norm(mean - other_mean) + np.linalg.norm(variance - other_variance)
        for (mean, variance), (other_mean, other_variance) in zip(FOUND, STORED, strict=True)
    )
    found = float(statistics_distance(moments(FOUND), moments(STORED)))
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_statistics_distance_pushes_towards_the_stored_mean_with_length_one() -> None:
    (mean, variance), (stored, _) = FOUND[0], STORED[0]

    def loss(values: tf.Tensor) -> tf.Tensor:
        return statistics_distance([(values, constant(variance))], moments(STORED[:1]))

    expected = (mean - stored) / np.linalg.norm(mean - stored)
    np.testing.assert_allclose(gradient(loss, mean), expected, rtol=1e-4)


def test_statistics_that_are_as_stored_are_not_pushed_at_all() -> None:
    """The slope of a length at 0 would be 0 / 0."""
    mean, variance = STORED[0]

    def loss(values: tf.Tensor) -> tf.Tensor:
        return statistics_distance([(values, constant(variance))], moments(STORED[:1]))

    assert float(loss(constant(mean))) == 0.0
    np.testing.assert_array_equal(gradient(loss, mean), np.zeros(CHANNELS))


def test_imbalance_is_the_divergence_of_the_mean_answer_from_an_even_one() -> None:
    mean = softmax(STUDENT).mean(axis=0)
    expected = (mean * np.log(mean * CLASSES)).sum()
    assert float(information_entropy_loss(constant(STUDENT))) == pytest.approx(expected, rel=1e-4)


def test_imbalance_is_log_k_where_one_class_is_all_there_is() -> None:
    """The other classes' shares are 0 in float32, and so must their gradients be finite."""
    one = np.zeros((4, CLASSES))
    one[:, 2] = 999.0
    assert float(information_entropy_loss(constant(one))) == pytest.approx(
        np.log(CLASSES), rel=1e-5
    )
    assert np.isfinite(gradient(information_entropy_loss, one)).all()


def test_variation_is_the_mean_difference_of_neighbours_down_and_across() -> None:
    images = RANDOM.normal(size=(2, 4, 5, 3))
    down, across = (np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2))
    assert float(total_variation(constant(images))) == pytest.approx(down + across, rel=1e-5)


AGREED = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 0.0]])
ANSWERED = np.array([[2.0, 1.0], [4.0, 3.0], [0.5, 0.0]])
"""The second answer is another than the teacher's."""


def test_disagreement_counts_only_images_with_the_same_answer_but_is_a_mean_over_all() -> None:
    distances = constant(np.array([1.0, 10.0, 5.0]))
    assert float(disagreement(distances, constant(AGREED), constant(ANSWERED))) == 2.0


def test_no_gradient_goes_through_an_image_on_which_they_already_disagree() -> None:
    def loss(student: tf.Tensor) -> tf.Tensor:
        teacher = constant(AGREED)
        return disagreement(logit_distance(teacher, student), teacher, student)

    found = gradient(loss, ANSWERED)
    np.testing.assert_array_equal(found[1], [0.0, 0.0])
    assert (np.abs(found[[0, 2]]) > 0).all()
