from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig, TeacherConfig
from kextract.models.frozen import frozen
from kextract.records import Progress
from kextract.training.teacher import train_teacher
from kextract.transfer import method_spec
from kextract.transfer.adversarial import AdversarialNoise
from kextract.transfer.crafting import CraftingRules
from kextract.transfer.noise import RandomNoise
from kextract.transfer.source import SourceContext
from tests.training.examples import CLASSES, easy_images, tiny_network
from tests.transfer.examples import LINEAR_SHAPE, first_move, linear_teacher

BATCH = (2, *LINEAR_SHAPE)
STEPS = 5


def source(*, iterations: int = 3, tolerance: float = 0.0, **options: Any) -> AdversarialNoise:
    return AdversarialNoise(
        linear_teacher,
        CraftingRules(0.01, iterations, tolerance),
        BATCH,
        classes=2,
        steps_per_epoch=STEPS,
        **{"seed": 0, **options},
    )


def drawn(noise: AdversarialNoise, epochs: int = 2) -> Any:
    """All batches of some epochs, in their order."""
    made = []
    for epoch in range(1, epochs + 1):
        for step in range(STEPS):
            list(noise.refresh(epoch, step))
            made.append(noise.batch().numpy())
    return np.stack(made)


def beginnings(epochs: int = 1) -> Any:
    noise, made = RandomNoise(BATCH, seed=0), []
    for epoch in range(1, epochs + 1):
        for step in range(STEPS):
            list(noise.refresh(epoch, step))
            made.append(noise.batch().numpy())
    return np.stack(made)


def test_batches_do_not_depend_on_how_many_are_crafted_at_once() -> None:
    one_by_one = drawn(source(together=1))
    np.testing.assert_allclose(drawn(source(together=4)), one_by_one, rtol=1e-5, atol=1e-6)


def test_the_seed_decides_the_noise() -> None:
    first, same, other = (drawn(source(seed=seed), epochs=1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).mean() > 0.5


def test_every_batch_is_another_one() -> None:
    batches = drawn(source())
    assert len({batch.tobytes() for batch in batches}) == 2 * STEPS


def test_without_a_shared_counter_every_batch_begins_with_adam_s_first_step() -> None:
    moves = np.abs(drawn(source(iterations=1, together=2), epochs=1) - beginnings())
    np.testing.assert_allclose(moves, first_move(0.01, 0), rtol=1e-3)


def test_a_shared_counter_counts_the_steps_of_all_batches_before() -> None:
    moves = np.abs(drawn(source(iterations=1, shared_counter=True)) - beginnings(epochs=2))
    expected = [first_move(0.01, before) for before in range(2 * STEPS)]
    expected_moves = np.broadcast_to(np.reshape(expected, (-1, 1, 1, 1, 1)), moves.shape)
    np.testing.assert_allclose(moves, expected_moves, rtol=1e-3)


def test_the_confidence_is_the_mean_over_all_images_of_the_epoch() -> None:
    """Images are pushed up for class 0 and down for class 1; s, -s are the logits."""
    noise = source(together=4)
    batches = drawn(noise, epochs=1).astype(np.float64)
    pushed = np.sign((batches - beginnings()).mean(axis=(2, 3, 4)))
    requested = 1 / (1 + np.exp(-2 * pushed * batches.mean(axis=(2, 3, 4))))
    assert noise.metrics()["confidence"] == pytest.approx(requested.mean(), rel=1e-5)


def test_the_iterations_are_the_mean_over_all_batches_of_the_epoch() -> None:
    """A tolerance beyond any fall stops all batches at the second step."""
    limited, stopped = source(iterations=4, together=4), source(iterations=9, tolerance=99.0)
    for noise in (limited, stopped):
        drawn(noise, epochs=1)
    assert limited.metrics()["iterations"] == 4.0
    assert stopped.metrics()["iterations"] == 2.0


def test_figures_begin_anew_after_they_were_asked_for() -> None:
    fresh, used = source(), source()
    drawn(used, epochs=1)
    used.metrics()
    for step in range(STEPS):
        for noise in (fresh, used):
            list(noise.refresh(2, step))
            noise.batch()
    assert used.metrics() == fresh.metrics()


@pytest.fixture(scope="module")
def teacher() -> Any:
    model = tiny_network()
    config = TeacherConfig(epochs=8, batch_size=8, learning_rate=0.01, patience=0)
    history = list(train_teacher(model, easy_images(48), easy_images(24, 1), config, flip=False))
    assert history
    return model


@pytest.fixture(scope="module")
def crafted(teacher: Any) -> Any:
    """A whole epoch of crafted batches with the teacher's logits of them, and the metrics."""
    classifier = frozen(teacher, batch_statistics=False)
    config = DistillConfig(steps_per_epoch=6, batch_size=8, noise_learning_rate=0.05)
    noise = method_spec("adversarial").make(SourceContext(classifier, teacher, teacher, config))
    logits = []
    for step in range(config.steps_per_epoch):
        list(noise.refresh(1, step))
        logits.append(classifier(noise.batch()).numpy().astype(np.float64))
    return np.concatenate(logits), noise.metrics()


def test_crafted_noise_makes_a_trained_teacher_sure(crafted: Any) -> None:
    assert crafted[1]["confidence"] > 0.9


def test_the_confidence_is_the_teacher_s_highest_probability_where_all_are_fooled(
    crafted: Any,
) -> None:
    logits, metrics = crafted
    highest = np.exp(logits).max(axis=1) / np.exp(logits).sum(axis=1)
    assert metrics["confidence"] == pytest.approx(highest.mean(), rel=0.02)


def test_noise_is_crafted_for_all_classes_about_as_often(crafted: Any) -> None:
    """48 draws from 3 classes: 16 of each, give or take four standard deviations of 3.3."""
    answered = np.bincount(crafted[0].argmax(axis=1), minlength=CLASSES)
    assert (np.abs(answered - 16) <= 13).all()


def test_crafting_tells_how_far_it_is_in_the_epoch() -> None:
    noise = source(iterations=25, together=4)
    told = [event for event in noise.refresh(1, 0) if isinstance(event, Progress)]
    assert [(event.phase, event.done, event.total, event.images) for event in told] == [
        ("crafting noise", done, STEPS, done * BATCH[0]) for done in (1, 3, 4)
    ]


def test_nothing_is_told_while_batches_are_left() -> None:
    noise = source(together=4)
    list(noise.refresh(1, 0))
    noise.batch()
    assert list(noise.refresh(1, 1)) == []
