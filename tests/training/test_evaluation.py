from math import log

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.batch_norm import frozen
from kextract.training.evaluation import (
    Predictor,
    ProbeSet,
    agreement_by_confidence,
    class_accuracies,
    score,
    shared_mistakes,
)
from tests.training.examples import SHAPE, easy_images, tiny_network

PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]])
LABELS = np.array([0, 1, 0])
LOGITS = np.log(PROBABILITIES) + np.array([[3.0], [-2.0], [0.0]])
TEACHER = np.log([[0.25, 0.5, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]])


def test_cross_entropy_is_the_mean_surprise_at_the_labels() -> None:
    assert score(LOGITS, LABELS).cross_entropy == pytest.approx((log(2) + log(4 / 3) + log(4)) / 3)


def test_the_loss_is_cross_entropy_and_penalty() -> None:
    plain, penalized = score(LOGITS, LABELS), score(LOGITS, LABELS, penalty=0.5)
    assert plain.loss == plain.cross_entropy == penalized.cross_entropy
    assert penalized.loss == pytest.approx(plain.cross_entropy + 0.5)


def test_accuracy_is_the_share_of_highest_logits_at_the_label() -> None:
    assert score(LOGITS, LABELS).accuracy == pytest.approx(2 / 3)


def test_agreement_is_the_share_of_equal_answers_right_or_wrong() -> None:
    assert score(LOGITS, LABELS, teacher=TEACHER).agreement == pytest.approx(2 / 3)


def test_kl_is_the_teacher_s_divergence_from_the_student() -> None:
    """Only the first image differs: 1/4 log(1/2) + 1/2 log(2) + 1/4 log(1) = 1/4 log(2)."""
    assert score(LOGITS, LABELS, teacher=TEACHER).kl == pytest.approx(log(2) / 4 / 3)


def test_labels_on_their_own_are_counted_one_by_one_at_one_half() -> None:
    """Of 2 images and 3 labels; the first image is of class 0, and the second of class 1."""
    share = np.array([[0.75, 0.25, 0.75], [0.25, 0.25, 0.25]])
    logits, labels = np.log(share / (1 - share)), np.array([0, 1])
    found = score(logits, labels, teacher=np.zeros((2, 3)) - 1e-9, by_label=True)
    # Wrong are label 2 of the first image and label 1 of the second, each with 1/4.
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.cross_entropy == pytest.approx((4 * log(4 / 3) + 2 * log(4)) / 6)
    assert found.agreement == pytest.approx(4 / 6)
    # Of a half and a half from 1/4 and 3/4.
    assert found.kl == pytest.approx(log(2) - log(3) / 2, abs=1e-6)
    assert class_accuracies(logits, labels, 3, by_label=True) == [(1, 1.0), (1, 0.5), (0, 0.5)]
    marks = np.array([[1, 0, 1], [0, 0, 0]])
    assert score(logits, marks, by_label=True).accuracy == 1


def test_class_accuracies_count_each_class_by_itself() -> None:
    assert class_accuracies(LOGITS, LABELS, 3) == [(2, 0.5), (1, 1.0), (0, None)]


def test_the_predictor_shows_the_model_pixels_from_minus_one_to_one() -> None:
    inputs = keras.Input((1, 3, 1))
    same = Predictor(keras.Model(inputs, keras.layers.Flatten()(inputs)))
    pixels = np.array([0, 51, 255], np.uint8).reshape(1, 1, 3, 1)
    np.testing.assert_allclose(same.logits(pixels), [[-1.0, -0.6, 1.0]], rtol=1e-6)


def test_several_batches_are_predicted_as_one() -> None:
    predictor, images = Predictor(tiny_network()), easy_images(230).x
    at_once = predictor.logits(images)
    assert [len(batch) for batch in predictor.batches(images)] == [100, 100, 30]
    np.testing.assert_allclose(predictor.logits(images[95:105]), at_once[95:105], rtol=1e-5)


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


EIGHT = np.array([0, 0, 0, 0, 1, 1, 1, 1])
PREDICTED = np.array([0, 0, 1, 2, 1, 1, 0, 0])


def test_what_chance_repeats_is_told_by_both_tables_of_confusion() -> None:
    """Of class 0 both say 1 once in four (1/4 of an image is shared), of class 1 both say 0 twice
    in four (1 image): 1.25 of the teacher's 4 mistakes."""
    student = np.array([1, 0, 0, 0, 0, 0, 1, 1])
    found = shared_mistakes(student, PREDICTED, EIGHT)
    assert found is not None
    assert found.repeated == 0.0
    assert found.by_chance == pytest.approx(1.25 / 4)


def test_error_consistency_is_cohen_s_kappa_of_right_and_wrong() -> None:
    """Right 5 and 4 of 8, both right 3, both wrong 2: observed 5/8, expected 20/64 + 12/64."""
    student = np.array([0, 0, 0, 2, 1, 0, 1, 0])
    found = shared_mistakes(student, PREDICTED, EIGHT)
    assert found is not None
    assert found.kappa == pytest.approx((5 / 8 - 0.5) / 0.5)


def test_a_teacher_without_mistakes_has_none_to_share() -> None:
    assert shared_mistakes(PREDICTED, EIGHT, EIGHT) is None


def test_agreement_is_told_where_the_teacher_is_unsure_and_where_it_is_sure() -> None:
    same = np.array([True, False, True, True])
    assert agreement_by_confidence(same, np.array([0.9, 0.5, 0.8, 0.6])) == (0.5, 1.0)
