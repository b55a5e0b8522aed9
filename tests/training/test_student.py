from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.datasets.images import Images, scale
from kextract.errors import NonFiniteError, RequestError
from kextract.methods.base import Batch, MethodContext
from kextract.methods.making import make_method
from kextract.models.batch_norm import frozen
from kextract.records import EpochRecord, Event, Progress
from kextract.training.evaluation import Predictor
from kextract.training.student import CutMix, distill, rectangles
from tests.common import softmax
from tests.training.examples import (
    STUDENT,
    WAYS,
    Album,
    easy_images,
    records,
    snapshot,
    tiny_network,
)

CONFIG = replace(STUDENT, method="random", epochs=2, steps_per_epoch=3)
VALIDATION = easy_images(12)
TEACHER_SEED, STUDENT_SEED = 1, 2
TELLING = {("random", "corrected"), ("adversarial", "article")}
"""A way by each recipe; what another method makes images with is held where it is tested."""
EVERY_WAY = [pytest.param(*way, marks=() if way in TELLING else pytest.mark.slow) for way in WAYS]


def lessons(
    teacher: Any,
    student: Any,
    source: Any = None,
    *,
    validation: Images | None = VALIDATION,
    strategy: Any = None,
    **changes: Any,
) -> Iterator[Event]:
    config = replace(CONFIG, **changes)
    logits = Predictor(teacher).logits(validation.x) if validation else None
    classifier = frozen(teacher, batch_statistics=config.recipe == "article")
    if source is None:
        given = {config.method: easy_images(9, seed=5).x}
        source = make_method(MethodContext(classifier, teacher, student, config, given))
    return distill(classifier, student, source, config, validation, logits, strategy=strategy)


@pytest.mark.parametrize(("method", "recipe"), EVERY_WAY)
def test_all_of_the_student_changes_and_none_of_the_teacher(method: str, recipe: str) -> None:
    teacher, student = tiny_network(TEACHER_SEED), tiny_network(STUDENT_SEED)
    before = snapshot(teacher), snapshot(student)
    list(lessons(teacher, student, method=method, recipe=recipe))
    assert snapshot(teacher) == before[0]
    assert not set(snapshot(student)) & set(before[1]), "every variable has learned"


def test_known_logits_teach_as_a_teacher_that_is_asked_does() -> None:
    images = easy_images(6)
    asked, told = tiny_network(STUDENT_SEED), tiny_network(STUDENT_SEED)
    teacher = tiny_network(TEACHER_SEED)
    classifier = frozen(teacher, batch_statistics=False)
    list(distill(classifier, asked, Album(scale(images.x)), CONFIG, None, None))
    known = Album(scale(images.x), classifier(tf.constant(scale(images.x))))
    list(distill(None, told, known, CONFIG, None, None))
    for one, other in zip(asked.get_weights(), told.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_student_learns_to_answer_as_its_teacher() -> None:
    """Shown the images again and again; strangers agree on about a third of them."""
    student, source = tiny_network(STUDENT_SEED), Album(scale(VALIDATION.x))
    teacher = tiny_network(TEACHER_SEED)
    history = records(lessons(teacher, student, source, epochs=1, steps_per_epoch=700))
    assert (history[-1].agreement or 0) > 0.9
    assert (history[-1].kl or 1) < 0.1 * (history[0].kl or 0)


def test_records_hold_what_the_source_says_and_where_the_time_went() -> None:
    source = Album(scale(easy_images(4).x))
    events = list(lessons(tiny_network(1), tiny_network(2), source))
    history = records(events)
    assert [record.epoch for record in history] == [0, 1, 2]
    assert source.asked == [(epoch, step) for epoch in (1, 2) for step in range(3)]
    progress = [event for event in events if isinstance(event, Progress)]
    assert [(p.done, p.total, p.images) for p in progress[:3]] == [(1, 3, 4), (2, 3, 8), (3, 3, 12)]
    shares = {"synthesis_seconds", "student_seconds", "evaluation_seconds"}
    assert set(history[1].details) == {"pages", "transfer_agreement", "cross_entropy", *shares}
    assert history[1].details["pages"] == 3.0
    times = sum(history[1].details[name] for name in shares)
    assert times == pytest.approx(history[1].seconds, abs=0.05)


def first_update(recipe: str, **changes: Any) -> tuple[EpochRecord, Any, Any]:
    """The record of the first update, with what teacher and student answer before it."""
    source = Album(scale(easy_images(6, seed=3).x))
    in_training = recipe == "article"
    target = tiny_network(TEACHER_SEED)(source.images, training=in_training).numpy()
    answer = tiny_network(STUDENT_SEED)(source.images, training=True).numpy()
    networks = tiny_network(TEACHER_SEED), tiny_network(STUDENT_SEED)
    options = {"epochs": 1, "steps_per_epoch": 1, "recipe": recipe, **changes}
    return (
        records(lessons(*networks, source, **options))[1],
        target.astype(np.float64),
        answer.astype(np.float64),
    )


def test_the_corrected_recipe_lowers_the_softened_divergence() -> None:
    record, target, answer = first_update("corrected", temperature=2.0)
    agreed = target.argmax(axis=-1) == answer.argmax(axis=-1)
    target, answer = softmax(target / 2), softmax(answer / 2)
    expected = 4 * (target * np.log(target / answer)).sum(axis=-1).mean()
    assert record.train_loss == pytest.approx(expected, rel=1e-4)
    assert record.details["transfer_agreement"] == pytest.approx(agreed.mean())


def test_the_article_s_recipe_uses_batch_statistics_and_applies_softmax_twice() -> None:
    record, target, answer = first_update("article", temperature=2.0)
    expected = -(softmax(target) * np.log(softmax(softmax(answer)))).sum(axis=-1).mean()
    assert record.train_loss == pytest.approx(expected, rel=1e-5)


def test_a_loss_that_is_no_number_is_refused_with_its_epoch_and_step() -> None:
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 2\b.*--learning-rate than 1e\+38"):
        list(lessons(tiny_network(1), tiny_network(2), learning_rate=1e38))


COUNT, SHAPE = 400, (8, 6, 2)


def numbered() -> np.ndarray:
    """Images that are each filled with their own number, so that every pixel tells its origin."""
    return np.broadcast_to(
        np.arange(COUNT, dtype=np.float32)[:, None, None, None], (COUNT, *SHAPE)
    ).copy()


def mixed(share: float, *, seed: int = 0, step: int = 0) -> np.ndarray:
    batch = CutMix(share, seed).mixed(Batch(tf.constant(numbered())), 1, step)
    images: np.ndarray = batch.images.numpy()
    return images


def partners() -> np.ndarray:
    return np.roll(numbered(), 1, axis=0)


def test_cutmix_pastes_one_rectangle_of_the_next_image() -> None:
    images = mixed(1.0)
    pasted = images != numbered()
    np.testing.assert_array_equal(images[pasted], partners()[pasted])
    for mask in pasted[..., 0]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask.sum() == len(rows) * len(columns)
        assert all(np.all(np.diff(found) == 1) for found in (rows, columns))


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_images_is_mixed_that_was_asked_for(share: float) -> None:
    changed = (mixed(share) != numbered()).any(axis=(1, 2, 3)).mean()
    # A rectangle may be too small to hold a pixel's centre.
    assert 0.7 * share < changed < 1.25 * share


def test_images_that_come_with_logits_cannot_be_mixed() -> None:
    batch = Batch(tf.constant(numbered()), tf.zeros((COUNT, 3)))
    with pytest.raises(RequestError, match=r"^--cutmix 0\.5: .* leave it out$"):
        CutMix(0.5, 0).mixed(batch, 1, 0)
    assert CutMix(0.0, 0).mixed(batch, 1, 0) is batch


def test_rectangles_cover_what_a_uniform_share_leaves_inside_the_border() -> None:
    """By quadrature: of a side s with a uniform centre, s - s^2/4 is inside on average.

    Both axes share s, the root of a uniform area; their centres are independent.
    """
    random = np.random.default_rng(0)
    covered = rectangles(random, 4000, 16, 16).mean()
    side = np.sqrt((np.arange(10000) + 0.5) / 10000)
    assert covered == pytest.approx(((side - side**2 / 4) ** 2).mean(), abs=0.02)
