"""A student that begins as its teacher is not left worse than it began."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.datasets.images import scale
from kextract.errors import CheckpointError
from kextract.models.batch_norm import frozen
from kextract.records import EpochRecord, Event, Note, Snapshot
from kextract.training.evaluation import Predictor
from kextract.training.state import CHOSEN, BestEpoch
from kextract.training.student import distill
from tests.training.examples import Album, easy_images, records, snapshot, tiny_network

CONFIG = DistillConfig(
    method="random",
    epochs=3,
    steps_per_epoch=2,
    batch_size=12,
    learning_rate=0.05,
    precision="float32",
)
VALIDATION = easy_images(12)


def misled(student: Any, *, resume: Snapshot | None = None, **options: Any) -> Iterator[Event]:
    """Teach a student with logits that have nothing to do with its teacher."""
    teacher = tiny_network(1)
    logits = np.random.default_rng(0).normal(0, 5, (12, 3))
    return distill(
        frozen(teacher, batch_statistics=False),
        student,
        Album(scale(easy_images(12).x), logits),
        CONFIG,
        VALIDATION,
        Predictor(teacher).logits(VALIDATION.x),
        resume=resume,
        **options,
    )


def test_a_student_that_only_gets_worse_has_the_weights_that_it_began_with() -> None:
    """It is not known to begin as its teacher, but seen to."""
    student = tiny_network(1)
    before = snapshot(student)
    events = list(misled(student, begins_as_teacher=False))
    agreements = [record.agreement or 0.0 for record in records(events)]
    assert agreements[0] == 1.0 > max(agreements[1:])
    assert snapshot(student) == before
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert note.startswith("the student has the weights of epoch 0, with which it began,")
    assert (
        f"on 100.0% of images that it was not taught with, after epoch 3 on {agreements[-1]:.1%}"
        in note
    )


def test_any_other_student_keeps_what_it_learned_last() -> None:
    student = tiny_network(1)
    before = snapshot(student)
    assert not [event for event in misled(student) if isinstance(event, Note)]
    assert snapshot(student) != before


def test_a_resumed_run_ends_with_the_same_weights() -> None:
    kept = [
        event
        for event in misled(tiny_network(1), begins_as_teacher=True, snapshots=True)
        if isinstance(event, Snapshot)
    ]
    student = tiny_network(1)
    began = snapshot(student)
    events = misled(student, resume=kept[0], begins_as_teacher=True, snapshots=True)
    assert any(isinstance(event, Note) for event in events)
    assert snapshot(student) == began


def record(epoch: int, agreement: float, kl: float) -> EpochRecord:
    return EpochRecord(epoch, details={"unseen_agreement": agreement, "unseen_kl": kl})


@pytest.mark.parametrize(
    ("measured", "best"),
    [
        ([(0.7, 0.3), (0.7, 0.1), (0.7, 0.2)], 0),  # What it began with needs more agreement.
        ([(0.7, 0.3), (0.8, 0.4), (0.8, 0.3)], 2),
        ([(0.7, 0.3), (0.8, 0.3), (0.8, 0.4)], 1),
        ([(0.7, 0.3), (0.6, 0.1), (0.9, 0.4)], 2),
    ],
)
def test_an_epoch_is_better_that_agrees_more_or_as_much_at_a_lower_divergence(
    measured: list[tuple[float, float]], best: int
) -> None:
    student = tiny_network(1)
    history = [record(epoch, *found) for epoch, found in enumerate(measured)]
    keeping = BestEpoch(student, history[0], begins_as_teacher=True)
    weights = [snapshot(student)]
    for each in history[1:]:
        for variable in student.trainable_variables:
            variable.assign(variable + 1)
        weights.append(snapshot(student))
        keeping.consider(each)
    assert (keeping.take_back(history[-1]) is None) == (best == 2)
    assert snapshot(student) == weights[best]


def test_a_run_that_an_earlier_version_kept_goes_on_from_its_last_epoch() -> None:
    student = tiny_network(1)
    history = (record(0, 0.9, 0.1), record(1, 0.8, 0.2))
    keeping = BestEpoch(student, history[0], begins_as_teacher=True)
    student.trainable_variables[0].assign(student.trainable_variables[0] + 1)
    last = snapshot(student)
    keeping.restore(Snapshot(history, {}))
    keeping.consider(record(2, 0.7, 0.3))
    assert keeping.take_back(record(2, 0.7, 0.3)) is not None
    assert snapshot(student) == last


def test_an_epoch_that_there_was_not_is_refused() -> None:
    student = tiny_network(1)
    history = (record(0, 0.9, 0.1), record(1, 0.8, 0.2))
    keeping = BestEpoch(student, history[0], begins_as_teacher=True)
    with pytest.raises(CheckpointError, match="names epoch 7 as the best of 1"):
        keeping.restore(Snapshot(history, {CHOSEN: np.array(7)}))
