from math import log

import keras
import numpy as np
import pytest

from kextract.models import batches
from kextract.training import evaluation
from kextract.training.evaluation import Predictor, class_accuracies, log_softmax, score
from tests.training.examples import easy_images, tiny_network

PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]])
LABELS = np.array([0, 1, 0])
LOGITS = np.log(PROBABILITIES) + np.array([[3.0], [-2.0], [0.0]])
TEACHER = np.log([[0.25, 0.5, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]])


def test_log_softmax_undoes_what_was_added_to_all_logits() -> None:
    np.testing.assert_allclose(np.exp(log_softmax(LOGITS)), PROBABILITIES)


def test_log_softmax_of_huge_logits_is_finite() -> None:
    np.testing.assert_allclose(log_softmax(np.array([[1000.0, 0.0]])), [[0.0, -1000.0]])


def test_cross_entropy_is_the_mean_surprise_at_the_labels() -> None:
    assert score(LOGITS, LABELS).cross_entropy == pytest.approx((log(2) + log(4 / 3) + log(4)) / 3)


def test_the_loss_is_cross_entropy_and_penalty() -> None:
    plain, penalized = score(LOGITS, LABELS), score(LOGITS, LABELS, penalty=0.5)
    assert plain.loss == plain.cross_entropy == penalized.cross_entropy
    assert penalized.loss == pytest.approx(plain.cross_entropy + 0.5)


def test_accuracy_is_the_share_of_highest_logits_at_the_label() -> None:
    assert score(LOGITS, LABELS).accuracy == pytest.approx(2 / 3)


def test_without_a_teacher_there_is_nothing_to_agree_with() -> None:
    scores = score(LOGITS, LABELS)
    assert (scores.agreement, scores.kl) == (None, None)


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
    assert class_accuracies(LOGITS, LABELS, 2) == [(2, 0.5), (1, 1.0)]


def test_a_class_without_images_has_no_accuracy() -> None:
    assert class_accuracies(LOGITS, LABELS, 3)[2] == (0, None)


def test_the_predictor_shows_the_model_pixels_from_minus_one_to_one() -> None:
    inputs = keras.Input((1, 3, 1))
    same = Predictor(keras.Model(inputs, keras.layers.Flatten()(inputs)))
    pixels = np.array([0, 51, 255], np.uint8).reshape(1, 1, 3, 1)
    np.testing.assert_allclose(same.logits(pixels), [[-1.0, -0.6, 1.0]], rtol=1e-6)


def test_several_batches_are_predicted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, images = Predictor(tiny_network()), easy_images(11).x
    at_once = predictor.logits(images)
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 4)
    assert [len(batch) for batch in predictor.batches(images)] == [4, 4, 3]
    np.testing.assert_allclose(predictor.logits(images), at_once, rtol=1e-5, atol=1e-6)


def test_the_predictor_follows_the_model_as_it_is_trained() -> None:
    model, images = tiny_network(seed=0), easy_images(5).x
    predictor = Predictor(model)
    predictor.logits(images)
    model.set_weights(tiny_network(seed=1).get_weights())
    expected = Predictor(tiny_network(seed=1)).logits(images)
    np.testing.assert_array_equal(predictor.logits(images), expected)


def test_predicting_changes_nothing_in_the_model() -> None:
    model = tiny_network()
    before = model.get_weights()
    Predictor(model).logits(easy_images(5).x)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_penalty_is_that_of_the_present_weights() -> None:
    model = tiny_network(weight_decay=0.25)
    predictor = Predictor(model)
    kernel = np.arange(36.0).reshape(3, 3, 1, 4)
    model.get_layer("conv2d").set_weights([kernel, np.zeros(4)])
    assert predictor.penalty() == pytest.approx(0.25 * (kernel**2).sum(), rel=1e-6)


def test_large_images_come_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    image = keras.Input((100, 100, 1))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image)))
    images = np.zeros((3, 100, 100, 1), np.uint8)
    monkeypatch.setattr(batches, "MEMORY", 4 * 100 * 100 + 100)
    assert [len(logits) for logits in Predictor(model).batches(images)] == [1, 1, 1]
