"""More of a student than its logits can be held to its teacher."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.errors import RequestError
from kextract.training.student import distill, matching_for
from tests.training.examples import Album, records

L = keras.layers
SHAPE = (8, 8, 1)
IMAGES: Any = np.random.default_rng(0).uniform(-1, 1, (64, *SHAPE)).astype(np.float32)
CONFIG = DistillConfig(
    method="random", epochs=2, steps_per_epoch=60, learning_rate=0.01, precision="float32"
)


def network(seed: int, channels: int = 6, stride: int = 1) -> Any:
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            L.Conv2D(channels, 3, strides=stride, activation="relu"),
            L.GlobalAveragePooling2D(),
            L.Dense(4),
        ]
    )


def taught(match: str, student: Any) -> tuple[Any, list[float]]:
    """Teach a student and return what matched, and its training loss by epoch."""
    teacher = network(1)
    found = matching_for(match, teacher, student)
    events = distill(teacher, student, Album(IMAGES), CONFIG, None, None, match=found)
    return found, [record.train_loss or 0.0 for record in records(events)[1:]]


def off(student: Any) -> float:
    """Say how far a student's logits are from the teacher's, in deviations of those."""
    wanted = network(1)(IMAGES).numpy()
    return float(np.abs(student(IMAGES).numpy() - wanted).mean() / wanted.std())


@pytest.mark.parametrize(
    ("match", "channels", "found"),
    [
        ("auto", 6, "features"),
        ("auto", 9, "maps"),
    ],
)
def test_a_student_learns_its_teachers_logits_by_what_comes_before_them(
    match: str, channels: int, found: str
) -> None:
    student = network(2, channels)
    before = off(student)
    trained = len(student.trainable_variables)
    matched, losses = taught(match, student)
    assert len(student.trainable_variables) == trained
    assert matched.name == found
    assert losses[1] < losses[0]
    assert off(student) < before / 3


def test_the_loss_is_what_is_left_of_the_features() -> None:
    teacher, student = network(1), network(2)
    found = matching_for("features", teacher, student)
    assert found is not None
    loss, target, logits = found.measure(tf.constant(IMAGES))
    features = (layer(IMAGES).numpy() for layer in (teacher.layers[0], student.layers[0]))
    wanted, made = features
    assert float(loss) == pytest.approx(((wanted - made) ** 2).sum(axis=-1).mean(), rel=1e-5)
    np.testing.assert_allclose(target, teacher(IMAGES), rtol=1e-5)
    np.testing.assert_allclose(logits, student(IMAGES), rtol=1e-5)


def test_networks_that_do_not_end_alike_are_compared_by_their_logits() -> None:
    assert matching_for("auto", network(1), network(2, stride=6)) is None
    assert matching_for("logits", network(1), network(2)) is None
    assert matching_for("auto", None, network(2)) is None


@pytest.mark.parametrize(
    ("match", "student"),
    [("features", network(2, 9)), ("maps", network(2, stride=6))],
)
def test_what_cannot_be_matched_is_refused_by_the_flag(match: str, student: Any) -> None:
    before = student.get_weights()
    with pytest.raises(RequestError, match=f"^--match {match}: "):
        matching_for(match, network(1), student)
    for now, then in zip(student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_run_that_is_given_up_leaves_the_classifier_to_be_trained() -> None:
    teacher, student = network(1), network(2)
    match = matching_for("features", teacher, student)
    events = distill(teacher, student, Album(IMAGES), CONFIG, None, None, match=match)
    next(events)
    assert not student.layers[-1].trainable
    del events
    assert student.layers[-1].trainable
