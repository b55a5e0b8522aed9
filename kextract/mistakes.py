"""Whether a student makes the same mistakes as its teacher, and more of them than by chance."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class SharedMistakes:
    """How alike two classifiers err on the same labelled images; shares from 0 to 1."""

    teacher_mistakes: int
    """Images that the teacher gets wrong."""
    repeated: float
    """Share of these to which the student gives the same wrong class."""
    by_chance: float
    """That share if, within each class, both erred independently of each other."""
    kappa: float
    """Error consistency, -1 to 1: 0 is chance, 1 is to be right and wrong on the same images."""


def shared_mistakes(
    student: IntArray, teacher: IntArray, labels: IntArray
) -> SharedMistakes | None:
    """Compare the predictions (n,) of two classifiers on images with labels (n,), all ints.

    None where the teacher makes no mistake. `kappa` is that of Geirhos et al. 2020, "Beyond
    accuracy: quantifying trial-by-trial behaviour of CNNs and humans by measuring error
    consistency", section 2; 1 where both are right or wrong alike on every image.
    """
    wrong = teacher != labels
    mistakes = int(wrong.sum())
    if mistakes == 0:
        return None
    both = (student == teacher) & wrong
    right = np.stack([student == labels, ~wrong])
    alike = float((right[0] == right[1]).mean())
    rates = right.mean(axis=-1)
    expected = float(rates.prod() + (1 - rates).prod())
    return SharedMistakes(
        teacher_mistakes=mistakes,
        repeated=float(both.sum() / mistakes),
        by_chance=_repeated_by_chance(student, teacher, labels) / mistakes,
        kappa=1.0 if expected == 1 else (alike - expected) / (1 - expected),
    )


def _repeated_by_chance(student: IntArray, teacher: IntArray, labels: IntArray) -> float:
    """Return how many wrong answers would be the same, by the confusion tables of both."""
    classes = int(max(student.max(), teacher.max(), labels.max())) + 1
    tables = [_confusion(predictions, labels, classes) for predictions in (student, teacher)]
    for table in tables:
        np.fill_diagonal(table, 0)
    members = np.bincount(labels, minlength=classes)
    expected = (tables[0] * tables[1]).sum(axis=1) / np.maximum(members, 1)
    return float(expected.sum())


def _confusion(predictions: IntArray, labels: IntArray, classes: int) -> npt.NDArray[np.float64]:
    """Count (classes, classes) images by label, then prediction."""
    cells = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.float64)


def agreement_by_confidence(
    same: npt.NDArray[np.bool_], confidence: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Return agreement, 0 to 1, on the half that the teacher is less sure of, and on the other.

    `same` (n,) is where both predict the same, `confidence` (n,) the teacher's in its prediction.
    """
    order = confidence.argsort(kind="stable")
    unsure, sure = np.array_split(same[order], 2)
    return float(unsure.mean()), float(sure.mean()) if len(sure) else float(unsure.mean())
