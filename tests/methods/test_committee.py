import numpy as np

from kextract.config import DistillConfig
from kextract.methods.committee import (
    Committee,
    disagreement,
    sampling,
    select_by_disagreement,
    target_logits,
)
from tests.common import softmax
from tests.training.examples import CLASSES, easy_images, tiny_network


def probabilities(count: int, classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count)


def test_disagreement_is_the_entropy_of_the_mean_less_the_mean_entropy() -> None:
    def entropy(rows: np.ndarray) -> np.ndarray:
        return -(rows * np.log(rows)).sum(axis=1)  # type: ignore[no-any-return]

    one, other = probabilities(9, 4, 0), probabilities(9, 4, 1)
    expected = entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2
    np.testing.assert_allclose(disagreement(one, other), expected, rtol=1e-6, atol=1e-9)


def test_every_class_gets_as_many_where_there_are_enough() -> None:
    one, other = probabilities(400, 4, 0), probabilities(400, 4, 1)
    chosen = select_by_disagreement(one, other, 40)
    predicted = (one + other).argmax(axis=1)[chosen]
    np.testing.assert_array_equal(np.bincount(predicted), [10, 10, 10, 10])


def test_of_a_class_those_are_chosen_on_which_the_students_disagree_most() -> None:
    one, other = probabilities(400, 4, 0), probabilities(400, 4, 1)
    chosen = set(select_by_disagreement(one, other, 40))
    predicted, score = (one + other).argmax(axis=1), disagreement(one, other)
    for index in range(4):
        own = np.flatnonzero(predicted == index)
        best = own[np.argsort(-score[own])][:10]
        assert set(best) == chosen & set(own)


def test_the_softmax_of_the_targets_is_the_teacher_s_probabilities() -> None:
    said = np.array([[0.7, 0.2, 0.1], [0.01, 0.01, 0.98]], np.float32)
    logits = target_logits(said, "probabilities", 3)
    np.testing.assert_allclose(softmax(logits), said, rtol=1e-5)


def test_the_logits_of_an_image_sum_to_0() -> None:
    said = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]], np.float32)
    for kind in ("probabilities", "logits"):
        np.testing.assert_allclose(target_logits(said, kind, 3).sum(axis=1), 0, atol=1e-5)


def test_a_probability_that_was_rounded_to_0_is_half_of_the_least_that_was_said() -> None:
    said = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]], np.float32)
    logits = target_logits(said, "probabilities", 3)
    np.testing.assert_allclose(logits[0, 1] - logits[0, 0], np.log(0.25 / 0.125), rtol=1e-5)


def test_labels_keep_nine_tenths_and_share_the_rest_with_all_classes() -> None:
    logits = target_logits(np.array([2, 0], np.int32), "labels", 4)
    expected = np.full((2, 4), 0.025) + 0.9 * np.eye(4)[[2, 0]]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-5)


def test_each_label_is_drawn_as_often_however_rare_it_is() -> None:
    found = np.array([0, 0, 0, 0, 1, 3, 3])
    likely = sampling(found, "labels")
    assert likely is not None
    for label in (0, 1, 3):
        np.testing.assert_allclose(likely[found == label].sum(), 1 / 3)


def test_a_round_of_few_answers_changes_the_members_and_the_next_begins_anew() -> None:
    config = DistillConfig(batch_size=6, precision="float32", distance="kl")
    committee = Committee(tiny_network(), config)
    images, logits = easy_images(4).x, np.eye(4, CLASSES, dtype=np.float32)
    untaught = committee.probabilities(images)
    taught = []
    for _ in range(2):
        assert list(committee.learn(images, logits, "logits", 1)) == [1, 2]
        taught.append(committee.probabilities(images))
    assert np.abs(taught[0] - untaught).max(axis=(1, 2)).min() > 1e-3
    np.testing.assert_array_equal(taught[0], taught[1])
    assert np.abs(taught[0][0] - taught[0][1]).max() > 1e-3
