from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.models.frozen import frozen
from kextract.records import Progress
from kextract.transfer import leaves
from kextract.transfer.crops import GENES
from kextract.transfer.leaves import Leaves, children, evenly
from kextract.transfer.source import SourceContext
from tests.training.examples import CLASSES, SHAPE, tiny_network

CONFIG = DistillConfig(
    method="leaves", steps_per_epoch=3, batch_size=8, precision="float32", leaves=60
)


def source(teacher: Any = None, **changes: Any) -> Leaves:
    teacher = teacher or tiny_network(1)
    classifier = frozen(teacher, batch_statistics=False)
    return Leaves(SourceContext(classifier, teacher, tiny_network(2), replace(CONFIG, **changes)))


def answered(*classes: int, sure: float = 0.8) -> np.ndarray:
    """Probabilities over three classes, one row for each of these classes."""
    probabilities = np.full((len(classes), 3), (1 - sure) / 2, np.float32)
    probabilities[np.arange(len(classes)), classes] = sure
    return probabilities


@pytest.fixture(autouse=True)
def small_canvases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "MOST_CANVASES", 2)
    monkeypatch.setattr(leaves, "CANVAS_SIDE", 32)


def test_batches_are_images_of_the_teacher_s_size_in_the_pixel_range() -> None:
    some = source()
    list(some.refresh(1, 0))
    batch = some.batch()
    assert batch.shape == (8, *SHAPE) and batch.dtype == tf.float32
    assert np.abs(batch.numpy()).max() <= 1.0


def test_the_pool_is_drawn_once_and_its_progress_is_told() -> None:
    some = source()
    events = list(some.refresh(1, 0))
    assert events and all(isinstance(event, Progress) for event in events)
    assert list(some.refresh(1, 1)) == [] and list(some.refresh(2, 0)) == []


def test_progress_of_a_phase_ends_at_its_total() -> None:
    last = {event.phase: event for event in source().refresh(1, 0) if isinstance(event, Progress)}
    assert all(event.done == event.total for event in last.values())
    assert len(last) == 2


def test_a_resumed_run_draws_the_same_pool() -> None:
    first, second = source(), source()
    list(first.refresh(1, 0))
    list(first.refresh(2, 1))
    list(second.refresh(2, 1))
    np.testing.assert_array_equal(first.batch(), second.batch())
    assert first.metrics() == second.metrics()
    assert first.state() == {}


def test_figures_are_the_teacher_s_answers_to_the_images_of_the_pool() -> None:
    teacher = tiny_network(1)
    some = source(teacher, leaves=40, batch_size=4000, shift=0, flip=False)
    list(some.refresh(1, 0))
    probabilities = tf.nn.softmax(teacher(some.batch(), training=False)).numpy()
    shares = np.bincount(probabilities.argmax(axis=1), minlength=CLASSES) / len(probabilities)
    metrics = some.metrics()
    found = [metrics[f"class_shares/{number}"] for number in range(CLASSES)]
    np.testing.assert_allclose(found, shares, atol=0.04)
    assert metrics["confidence"] == pytest.approx(probabilities.max(axis=1).mean(), abs=0.02)


def test_an_even_pool_has_an_entropy_of_1() -> None:
    some = source()
    some._probabilities = answered(0, 1, 2, 2, 1, 0)
    assert some.metrics()["entropy"] == pytest.approx(1.0)


def test_as_many_are_chosen_of_each_answer_where_there_are_enough() -> None:
    probabilities = answered(*[0] * 20, *[1] * 6, *[2] * 4)
    places = evenly(np.random.default_rng(0), probabilities, 12)
    assert np.bincount(probabilities[places].argmax(axis=1)).tolist() == [4, 4, 4]
    assert len(set(places)) == 12


def test_a_missing_answer_is_replaced_by_what_came_nearest_to_it() -> None:
    probabilities = answered(*[0] * 10)
    probabilities[3] = (0.5, 0.4, 0.1)
    probabilities[7] = (0.5, 0.1, 0.4)
    assert {3, 7} <= set(evenly(np.random.default_rng(0), probabilities, 3))


@pytest.mark.parametrize("count", [1, 7, 10])
def test_as_many_are_chosen_as_asked_for_whatever_the_answers(count: int) -> None:
    places = evenly(np.random.default_rng(0), answered(*[1] * 10), count)
    assert len(set(places)) == count


def test_children_are_of_the_crops_nearest_to_the_missing_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaves, "PARENTS", 1)
    random = np.random.default_rng(0)
    rows = np.full((40, GENES), 0.9)
    rows[5] = 0.3
    probabilities = answered(*[0] * 20, *[1] * 20)
    probabilities[5] = (0.5, 0.1, 0.4)
    close = children(random, rows, probabilities, 30)
    assert close.shape == (30, GENES)
    assert np.abs(close - 0.3).max() < 0.3


def test_without_a_missing_answer_new_crops_are_drawn_anywhere() -> None:
    rows = np.full((6, GENES), 0.5)
    spread = children(np.random.default_rng(0), rows, answered(0, 1, 2, 2, 1, 0), 400)
    assert spread.std() == pytest.approx(12**-0.5, abs=0.02)
