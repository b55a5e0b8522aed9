import numpy as np
import pytest

from kextract.training.evaluation import agreement_by_confidence, shared_mistakes

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
TEACHER = np.array([0, 0, 1, 2, 1, 1, 0, 0])


def test_a_copy_repeats_every_mistake() -> None:
    found = shared_mistakes(TEACHER, TEACHER, LABELS)
    assert found is not None
    assert (found.teacher_mistakes, found.repeated, found.kappa) == (4, 1.0, 1.0)


def test_a_perfect_student_repeats_none() -> None:
    found = shared_mistakes(LABELS, TEACHER, LABELS)
    assert found is not None
    assert (found.repeated, found.by_chance, found.kappa) == (0.0, 0.0, 0.0)


def test_what_chance_repeats_is_told_by_both_tables_of_confusion() -> None:
    """Of class 0 both say 1 once in four (1/4 of an image is shared), of class 1 both say 0 twice
    in four (1 image): 1.25 of the teacher's 4 mistakes."""
    student = np.array([1, 0, 0, 0, 0, 0, 1, 1])
    found = shared_mistakes(student, TEACHER, LABELS)
    assert found is not None
    assert found.repeated == 0.0
    assert found.by_chance == pytest.approx(1.25 / 4)


def test_error_consistency_is_cohen_s_kappa_of_right_and_wrong() -> None:
    """Right 5 and 4 of 8, both right 3, both wrong 2: observed 5/8, expected 20/64 + 12/64."""
    student = np.array([0, 0, 0, 2, 1, 0, 1, 0])
    found = shared_mistakes(student, TEACHER, LABELS)
    assert found is not None
    assert found.kappa == pytest.approx((5 / 8 - 0.5) / 0.5)


def test_independent_classifiers_repeat_as_many_as_by_chance() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 40_000)

    def classifier() -> np.ndarray:
        return np.where(
            random.random(len(labels)) < 0.7, labels, random.integers(0, 10, len(labels))
        )

    found = shared_mistakes(classifier(), classifier(), labels)
    assert found is not None
    assert found.repeated == pytest.approx(found.by_chance, abs=0.01)
    assert found.kappa == pytest.approx(0, abs=0.02)


def test_a_teacher_without_mistakes_has_none_to_share() -> None:
    assert shared_mistakes(TEACHER, LABELS, LABELS) is None


def test_agreement_is_told_where_the_teacher_is_unsure_and_where_it_is_sure() -> None:
    same = np.array([True, False, True, True])
    assert agreement_by_confidence(same, np.array([0.9, 0.5, 0.8, 0.6])) == (0.5, 1.0)
