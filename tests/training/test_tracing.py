"""A step is traced when it is first made, and never again: tracing takes longer than an epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from kextract.config import TeacherConfig
from kextract.methods.base import MethodContext
from kextract.methods.making import make_method
from kextract.models.batch_norm import frozen
from kextract.models.statistics import record_calls
from kextract.records import EpochRecord, Event
from kextract.training.evaluation import Predictor
from kextract.training.student import distill
from kextract.training.teacher import train_teacher
from tests.training.examples import easy_images, tiny_network
from tests.training.test_student import CONFIG, VALIDATION


@contextmanager
def counted(*models: Any) -> Iterator[list[str]]:
    """Note every call of a network from Python: one for each time that it is traced."""
    calls: list[str] = []
    with record_calls([model.get_layer("conv2d") for model in models], lambda *_: calls.append("")):
        yield calls


def calls_by_epoch(events: Iterator[Event], calls: list[str]) -> list[int]:
    """Say how often a network had been called at the end of each epoch."""
    return [len(calls) for event in events if isinstance(event, EpochRecord) and event.epoch]


@pytest.mark.parametrize("method", ["real", pytest.param("inversion", marks=pytest.mark.slow)])
def test_a_student_s_epochs_and_rounds_are_traced_in_the_first_of_them(method: str) -> None:
    teacher, student = tiny_network(1), tiny_network(2)
    logits = Predictor(teacher).logits(VALIDATION.x)
    config = replace(CONFIG, method=method, epochs=3, steps_per_epoch=6)
    classifier = frozen(teacher, batch_statistics=False)
    with counted(teacher, student) as calls:
        given = {method: easy_images(9).x}
        source = make_method(MethodContext(classifier, teacher, student, config, given))
        found = calls_by_epoch(
            distill(classifier, student, source, config, VALIDATION, logits), calls
        )
    assert found == [found[0]] * 3
    # Two updates for teacher and student, one validation; what makes images has a few of its own.
    assert 3 <= found[0] <= 9


def test_a_teacher_s_step_is_traced_once_though_the_last_batch_is_smaller() -> None:
    model = tiny_network()
    config = TeacherConfig(epochs=3, batch_size=8, patience=0)
    with counted(model) as calls:
        events = train_teacher(model, easy_images(20), VALIDATION, config, flip=False)
        assert calls_by_epoch(events, calls) == [2, 2, 2]
