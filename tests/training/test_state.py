"""A run that was stopped ends as one that never stopped, to the bit; its best epoch is kept."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from kextract.config import TeacherConfig
from kextract.datasets.images import scale
from kextract.errors import CheckpointError
from kextract.methods import METHODS
from kextract.methods.base import MethodContext
from kextract.methods.making import make_method
from kextract.models.batch_norm import frozen
from kextract.records import EpochRecord, Event, Note, Snapshot
from kextract.training.evaluation import Predictor
from kextract.training.state import CHOSEN, BestEpoch, take, values_of
from kextract.training.student import distill, matching_for
from kextract.training.teacher import train_teacher
from tests.training.examples import (
    STUDENT,
    WAYS,
    Album,
    easy_images,
    figures,
    records,
    snapshot,
    tiny_network,
)

TRAIN, VALIDATION = easy_images(20, seed=1), easy_images(12, seed=2)
TEACHER = TeacherConfig(
    epochs=4, batch_size=8, learning_rate=0.01, patience=0, shift=2, precision="float32"
)


def training(model: Any, resume: Snapshot | None = None, **changes: Any) -> Iterator[Event]:
    config = replace(TEACHER, **changes)
    return train_teacher(model, TRAIN, VALIDATION, config, flip=True, resume=resume, snapshots=True)


def teaching(model: Any, resume: Snapshot | None = None, **changes: Any) -> Iterator[Event]:
    config = replace(STUDENT, **changes)
    teacher = tiny_network(1)
    classifier = frozen(teacher, batch_statistics=config.recipe == "article")
    given = dict.fromkeys(METHODS, easy_images(9, seed=5).x)
    source = make_method(MethodContext(classifier, teacher, model, config, given))
    logits = Predictor(teacher).logits(VALIDATION.x)
    return distill(
        classifier,
        model,
        source,
        config,
        VALIDATION,
        logits,
        match=matching_for(config.match, teacher, model),
        resume=resume,
        snapshots=True,
    )


def watched(events: Iterator[Event], model: Any) -> tuple[Any, list[Snapshot]]:
    """Run to the end; return that end and the snapshots on the way."""
    happened = list(events)
    kept = [event for event in happened if isinstance(event, Snapshot)]
    return end(happened, model), kept


def end(events: list[Event], model: Any, earlier: tuple[EpochRecord, ...] = ()) -> Any:
    """What there is at the end, to the bit: the history without its times, and the weights."""
    return figures([*earlier, *records(events)]), snapshot(model)


def through_json(kept: Snapshot) -> Snapshot:
    """Take the history the way of a file: numbers as text."""
    rows = json.loads(json.dumps([record.to_dict() for record in kept.history]))
    return Snapshot(tuple(EpochRecord(**row) for row in rows), kept.tensors)


def resumed(loop: Any, kept: Snapshot, **changes: Any) -> Any:
    """Go on from a snapshot with a model that is all new, and return the end."""
    model = tiny_network(seed=7)
    return end(list(loop(model, through_json(kept), **changes)), model, kept.history)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"schedule": "cosine", "augment": True}, id="cosine and augmented"),
        pytest.param({"patience": 1, "learning_rate": 0.05}, id="early stop"),
    ],
)
def test_a_teacher_goes_on_to_the_same_end(changes: dict[str, Any]) -> None:
    model = tiny_network()
    whole, kept = watched(training(model, **changes), model)
    assert resumed(training, kept[1], **changes) == whole


@cache
def whole(method: str, recipe: str, mix: str | None) -> tuple[Any, list[Snapshot]]:
    """Teach a student without a stop."""
    model = tiny_network(2)
    return watched(teaching(model, method=method, recipe=recipe, mix=mix, mix_share=0.25), model)


TELLING = [
    ("adversarial", "article", None),
    ("inversion", "corrected", None),
]
"""Method, recipe and mix of students that between them remember all that there is to remember."""
OTHERS = [
    *((*way, None) for way in WAYS if (*way, None) not in TELLING),
    ("inversion", "corrected", "adversarial"),
    ("surrogate", "corrected", "inversion"),
    ("adversarial", "corrected", "random"),
]


@pytest.mark.parametrize(
    ("method", "recipe", "mix"),
    [*TELLING, *(pytest.param(*each, marks=pytest.mark.slow) for each in OTHERS)],
)
def test_a_student_goes_on_to_the_same_end(method: str, recipe: str, mix: str | None) -> None:
    end, kept = whole(method, recipe, mix)
    changes = {"method": method, "recipe": recipe, "mix": mix, "mix_share": 0.25}
    assert resumed(teaching, kept[1], **changes) == end


def test_a_student_goes_on_to_the_same_end_where_features_are_matched() -> None:
    model = tiny_network(2)
    changes: dict[str, Any] = {"method": "random", "match": "features", "optimizer": "muon"}
    whole, kept = watched(teaching(model, **changes), model)
    assert resumed(teaching, kept[1], **changes) == whole


@pytest.mark.parametrize("problem", ["missing", "shape", "dtype", "unknown"])
def test_arrays_of_another_model_are_refused_and_named(problem: str) -> None:
    model = tiny_network()
    kept = take("model", model.variables)
    if problem == "missing":
        del kept["model/1"]
    elif problem == "unknown":
        kept["model/99"] = np.zeros(3, np.float32)
    elif problem == "shape":
        kept["model/1"] = np.zeros((2, 2), np.float32)
    else:
        kept["model/1"] = kept["model/1"].astype(np.float64)
    with pytest.raises(CheckpointError, match=r"--resume.*'model/(1|99)'"):
        values_of(kept, "model", model.variables)


CONFIG = replace(STUDENT, method="random", steps_per_epoch=2, batch_size=12, learning_rate=0.05)
EASY = easy_images(12)


def misled(student: Any, *, resume: Snapshot | None = None, **options: Any) -> Iterator[Event]:
    """Teach a student with logits that have nothing to do with its teacher."""
    teacher = tiny_network(1)
    logits = np.random.default_rng(0).normal(0, 5, (12, 3))
    return distill(
        frozen(teacher, batch_statistics=False),
        student,
        Album(scale(easy_images(12).x), logits),
        CONFIG,
        EASY,
        Predictor(teacher).logits(EASY.x),
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
    note = keeping.take_back(history[-1])
    assert (note and note.epoch) == (None if best == 2 else best)
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
