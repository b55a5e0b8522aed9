from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from kextract.config import TeacherConfig
from kextract.datasets.images import Images
from kextract.errors import NonFiniteError
from kextract.optimizers import Adam
from kextract.records import EpochRecord, Event, Note, Progress
from kextract.training import teacher
from kextract.training.evaluation import Scores
from kextract.training.teacher import train_teacher
from tests.training.examples import (
    easy_images,
    figures,
    flat_images,
    records,
    snapshot,
    tiny_network,
)

CONFIG = TeacherConfig(epochs=2, batch_size=8, learning_rate=0.01, precision="float32")
TRAIN, VALIDATION = easy_images(20, seed=1), easy_images(12, seed=2)


def train(
    model: Any, validation: Images = VALIDATION, *, flip: bool = False, **changes: Any
) -> list[Event]:
    return list(train_teacher(model, TRAIN, validation, replace(CONFIG, **changes), flip=flip))


def run(seed: int = 0, **changes: Any) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The history and the last weights of a short training."""
    model = tiny_network()
    history = figures(records(train(model, seed=seed, **changes)))
    return history, snapshot(model)


first_run = cache(run)


@pytest.fixture(scope="module")
def one_epoch() -> list[Event]:
    """All that a training of one epoch tells."""
    return train(tiny_network(), epochs=1)


def script(monkeypatch: pytest.MonkeyPatch, accuracies: list[float]) -> None:
    """Let the epochs, 0 first, have these validation accuracies."""
    remaining = iter(accuracies)
    monkeypatch.setattr(teacher, "score", lambda *_, **__: Scores(1.0, 1.0, next(remaining)))


def test_an_easy_problem_is_learnt() -> None:
    """Three classes: chance is right for a third of the images."""
    history = records(train(tiny_network(), epochs=8, patience=0))
    assert max(record.accuracy or 0 for record in history) > 0.9


def test_epochs_are_numbered_from_zero() -> None:
    assert [record["epoch"] for record in first_run(augment=False)[0]] == [0, 1, 2]


def test_epoch_zero_measures_the_model_before_training() -> None:
    model = tiny_network()
    pixels = (VALIDATION.x.astype(np.float32) - 127.5) / 127.5
    logits = model(pixels, training=False).numpy().astype(np.float64)
    right = np.exp(logits[np.arange(12), VALIDATION.y]) / np.exp(logits).sum(axis=1)
    penalty = 1e-3 * (model.get_layer("conv2d").kernel.numpy() ** 2).sum()
    events = train_teacher(model, TRAIN, VALIDATION, CONFIG, flip=False)
    before = next(event for event in events if isinstance(event, EpochRecord))
    assert before.loss == pytest.approx(-np.log(right).mean() + penalty, rel=1e-5)
    assert before.accuracy == (logits.argmax(axis=1) == VALIDATION.y).mean()
    assert before.train_loss is None


def test_progress_counts_steps_and_images_up_to_the_last_small_batch(
    one_epoch: list[Event],
) -> None:
    progress = [event for event in one_epoch if isinstance(event, Progress)]
    assert [(p.done, p.total, p.images) for p in progress] == [(1, 3, 8), (2, 3, 16), (3, 3, 20)]


def test_the_training_loss_is_the_mean_over_the_updates(one_epoch: list[Event]) -> None:
    progress = [event for event in one_epoch if isinstance(event, Progress)]
    assert records(one_epoch)[1].train_loss == progress[-1].loss


def test_the_first_training_loss_is_that_of_the_untrained_model() -> None:
    """With one batch for all images there is one update, and its loss is from before it."""
    model = tiny_network()
    pixels = (TRAIN.x.astype(np.float32) - 127.5) / 127.5
    logits = tiny_network()(pixels, training=True).numpy().astype(np.float64)
    right = np.exp(logits[np.arange(20), TRAIN.y]) / np.exp(logits).sum(axis=1)
    penalty = 1e-3 * (model.get_layer("conv2d").kernel.numpy() ** 2).sum()
    record = records(train(model, epochs=1, batch_size=20))[1]
    assert record.train_loss == pytest.approx(-np.log(right).mean() + penalty, rel=1e-5)


@pytest.mark.parametrize("patience", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_training_stops_with_a_note_after_so_many_epochs_without_a_better_accuracy(
    patience: int,
) -> None:
    events = train(tiny_network(), flat_images(6), epochs=6, patience=patience)
    assert [record.accuracy for record in records(events)] == [1 / 3] * (1 + patience)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("--patience" in text for text in notes)


def test_patience_zero_trains_to_the_end() -> None:
    history = records(train(tiny_network(), flat_images(6), epochs=4, patience=0))
    assert history[-1].epoch == 4


def test_patience_counts_from_the_best_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.1, 0.2, 0.1, 0.3, 0.2, 0.3, 0.9])
    history = records(train(tiny_network(), epochs=9, patience=2))
    assert history[-1].epoch == 5


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        pytest.param([0.1, 0.5, 0.4, 0.2], 1, id="middle", marks=pytest.mark.slow),
        pytest.param([0.1, 0.5, 0.5, 0.2], 2, id="latest of equals"),
        pytest.param([0.5, 0.1, 0.1, 0.1], 0, id="untrained"),
    ],
)
def test_the_model_ends_with_the_weights_of_its_best_epoch(
    monkeypatch: pytest.MonkeyPatch, accuracies: list[float], best: int
) -> None:
    script(monkeypatch, accuracies)
    model, after = tiny_network(), []
    config = replace(CONFIG, epochs=3, patience=0)
    for event in train_teacher(model, TRAIN, VALIDATION, config, flip=False):
        if isinstance(event, EpochRecord):
            after.append(snapshot(model))
    assert snapshot(model) == after[best]


def test_a_best_last_epoch_is_kept_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [0.1, 0.2, 0.3])
    assert not [event for event in train(tiny_network()) if isinstance(event, Note)]


@pytest.mark.parametrize("augment", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_same_seed_trains_the_same_way_to_the_bit(augment: bool) -> None:
    assert first_run(augment=augment) == run(augment=augment)


@pytest.mark.parametrize("augment", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_another_seed_trains_the_same_model_another_way(augment: bool) -> None:
    (before, *history), _ = first_run(augment=augment)
    (other_before, *other_history), _ = run(seed=1, augment=augment)
    assert before == other_before
    assert history != other_history


@pytest.mark.parametrize("changes", [{}, {"shift": 0, "flip": True}], ids=["shift", "flip"])
def test_augmentation_changes_what_is_trained_on(changes: dict[str, Any]) -> None:
    plain, _ = first_run(augment=False)
    augmented, _ = first_run(augment=True, **changes)
    assert np.isfinite(augmented[1]["train_loss"])
    assert plain[1]["train_loss"] != augmented[1]["train_loss"]


def test_images_are_mirrored_only_where_that_keeps_the_class() -> None:
    assert run(augment=True, shift=0, flip=False) == first_run(augment=False)


@pytest.mark.parametrize(("schedule", "last_rate"), [("constant", 0.01), ("cosine", 0.0)])
def test_the_schedule_decides_the_rate_at_the_end(
    monkeypatch: pytest.MonkeyPatch, schedule: str, last_rate: float
) -> None:
    made: list[Any] = []

    class Remembered(Adam):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr("kextract.training.teacher.Adam", Remembered)
    train(tiny_network(), schedule=schedule, patience=0)
    assert int(made[0].iterations) == 2 * 3
    assert float(made[0].learning_rate) == pytest.approx(last_rate, abs=1e-8)


def test_a_loss_that_is_no_number_is_refused_with_its_place_and_leaves_the_best_weights() -> None:
    model = tiny_network()
    before = snapshot(model)
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 2\b.*--learning-rate than 1e\+30"):
        train(model, learning_rate=1e30)
    assert snapshot(model) == before


def test_a_model_that_its_last_update_destroyed_is_refused_too() -> None:
    with pytest.raises(NonFiniteError, match="epoch 1"):
        train(tiny_network(), learning_rate=1e30, epochs=1, batch_size=20)
