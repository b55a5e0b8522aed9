import numpy as np
import pytest

from kextract.transfer.queries.choosing import disagreement, most_telling


def probabilities(count: int, classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count)


def test_students_that_agree_do_not_disagree() -> None:
    rows = probabilities(5, 3, 0)
    np.testing.assert_allclose(disagreement(rows, rows), 0, atol=1e-9)


def test_students_that_are_sure_of_different_classes_disagree_by_log_2() -> None:
    one, other = np.eye(3)[[0, 1]], np.eye(3)[[1, 2]]
    np.testing.assert_allclose(disagreement(one, other), np.log(2), rtol=1e-6)


def test_disagreement_is_the_entropy_of_the_mean_less_the_mean_entropy() -> None:
    def entropy(rows: np.ndarray) -> np.ndarray:
        return -(rows * np.log(rows)).sum(axis=1)  # type: ignore[no-any-return]

    one, other = probabilities(9, 4, 0), probabilities(9, 4, 1)
    expected = entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2
    np.testing.assert_allclose(disagreement(one, other), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("count", [1, 7, 30, 60])
def test_as_many_are_chosen_as_asked_and_none_twice(count: int) -> None:
    chosen = most_telling(probabilities(60, 4, 0), probabilities(60, 4, 1), count)
    assert len(chosen) == len(set(chosen)) == count


def test_every_class_gets_as_many_where_there_are_enough() -> None:
    one, other = probabilities(400, 4, 0), probabilities(400, 4, 1)
    chosen = most_telling(one, other, 40)
    predicted = (one + other).argmax(axis=1)[chosen]
    np.testing.assert_array_equal(np.bincount(predicted), [10, 10, 10, 10])


def test_of_a_class_those_are_chosen_on_which_the_students_disagree_most() -> None:
    one, other = probabilities(400, 4, 0), probabilities(400, 4, 1)
    chosen = set(most_telling(one, other, 40))
    predicted, score = (one + other).argmax(axis=1), disagreement(one, other)
    for index in range(4):
        own = np.flatnonzero(predicted == index)
        best = own[np.argsort(-score[own])][:10]
        assert set(best) == chosen & set(own)


def test_what_a_rare_class_lacks_goes_to_the_others() -> None:
    one = np.repeat(np.eye(3)[[0, 1, 2]], [2, 50, 50], axis=0) * 0.9 + 0.1 / 3
    chosen = most_telling(one, one, 30)
    np.testing.assert_array_equal(np.bincount(one[chosen].argmax(axis=1)), [2, 14, 14])
