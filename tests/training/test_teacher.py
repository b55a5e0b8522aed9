from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kextract.config import TeacherConfig
from kextract.datasets.images import Images
from kextract.errors import NonFiniteError
from kextract.optimizers import make_optimizer
from kextract.records import EpochRecord, Event, Note
from kextract.training.evaluation import Predictor
from kextract.training.teacher import learning_rate, train_teacher
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


def tiny_predictions(images: NDArray[np.uint8]) -> Any:
    """The classes that the network gives to images before it is trained."""
    return Predictor(tiny_network()).logits(images).argmax(axis=1)


def test_an_easy_problem_is_learnt() -> None:
    """Three classes: chance is right for a third of the images."""
    history = records(train(tiny_network(), epochs=8, patience=0))
    assert max(record.accuracy or 0 for record in history) > 0.9


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


def test_training_stops_with_a_note_after_so_many_epochs_without_a_better_accuracy() -> None:
    events = train(tiny_network(), flat_images(6), epochs=6, patience=3)
    assert [record.accuracy for record in records(events)] == [1 / 3] * (1 + 3)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("--patience" in text for text in notes)


@pytest.mark.parametrize(
    ("validation", "best"),
    [
        (flat_images(6), 2),
        (Images(VALIDATION.x, tiny_predictions(VALIDATION.x)), 0),
    ],
    ids=["the latest of equals", "the untrained model"],
)
def test_the_model_ends_with_the_weights_of_its_best_epoch(validation: Images, best: int) -> None:
    model, after = tiny_network(), []
    config = replace(CONFIG, patience=0)
    for event in train_teacher(model, TRAIN, validation, config, flip=False):
        if isinstance(event, EpochRecord):
            after.append(snapshot(model))
    assert len(set(map(tuple, after))) == 3
    assert snapshot(model) == after[best]


@pytest.mark.parametrize(("schedule", "last_rate"), [("constant", 0.01), ("cosine", 0.0)])
def test_the_schedule_decides_the_rate_at_the_end(schedule: str, last_rate: float) -> None:
    rate = learning_rate(replace(CONFIG, schedule=schedule), 6)
    optimizer = make_optimizer("adam", tiny_network(), rate)
    optimizer.iterations.assign(6)
    assert float(optimizer.learning_rate) == pytest.approx(last_rate, abs=1e-8)


def test_augmentation_changes_what_is_trained_on() -> None:
    plain, _ = first_run(augment=False)
    augmented, _ = first_run(augment=True, shift=0, flip=True)
    assert np.isfinite(augmented[1]["train_loss"])
    assert plain[1]["train_loss"] != augmented[1]["train_loss"]


def test_images_are_mirrored_only_where_that_keeps_the_class() -> None:
    assert run(augment=True, shift=0, flip=False) == first_run(augment=False)


def test_a_loss_that_is_no_number_is_refused_with_its_place_and_leaves_the_best_weights() -> None:
    model = tiny_network()
    before = snapshot(model)
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 2\b.*--learning-rate than 1e\+30"):
        train(model, learning_rate=1e30)
    assert snapshot(model) == before


def test_a_model_that_its_last_update_destroyed_is_refused_too() -> None:
    with pytest.raises(NonFiniteError, match="epoch 1"):
        train(tiny_network(), learning_rate=1e30, epochs=1, batch_size=20)
