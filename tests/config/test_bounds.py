import json
from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from kextract.config import (
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    DistillConfig,
    Holdout,
    TeacherConfig,
)
from kextract.errors import RequestError, UnknownNameError

NAN, INFINITY = float("nan"), float("inf")
BOTH: list[tuple[str, Any]] = [
    ("epochs", 0),
    ("epochs", -1),
    ("batch_size", 0),
    ("learning_rate", 0.0),
    ("learning_rate", -1e-3),
    ("learning_rate", NAN),
    ("learning_rate", INFINITY),
    ("seed", -1),
]
TEACHER: list[tuple[str, Any]] = [
    *BOTH,
    ("weight_decay", -1e-9),
    ("weight_decay", NAN),
    ("weight_decay", INFINITY),
    ("patience", -1),
    ("shift", -1),
    ("validation_fraction", 0.0),
    ("validation_fraction", 1.0),
    ("validation_fraction", -0.1),
    ("validation_fraction", NAN),
]
DISTILL: list[tuple[str, Any]] = [
    *BOTH,
    ("steps_per_epoch", 0),
    ("temperature", 0.0),
    ("temperature", -4.0),
    ("temperature", NAN),
    ("noise_learning_rate", 0.0),
    ("noise_learning_rate", INFINITY),
    ("noise_iterations", 0),
    ("noise_tolerance", -1e-5),
    ("noise_tolerance", NAN),
]
KINDS: dict[Any, list[tuple[str, Any]]] = {TeacherConfig: TEACHER, DistillConfig: DISTILL}


def flag(field: str) -> str:
    return "--" + field.replace("_", "-")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(kind, *case) for kind, cases in KINDS.items() for case in cases],
)
def test_a_value_that_cannot_be_is_refused_by_its_flag(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(RequestError, match=f"^{flag(field)} {value}: must "):
        kind(**{field: value})


@pytest.mark.parametrize(
    ("kind", "field", "wrong", "right"),
    [
        (TeacherConfig, "schedule", "cosinus", "cosine"),
        (TeacherConfig, "precision", "float23", "float32"),
        (DistillConfig, "precision", "bfloat", "bfloat16"),
        (DistillConfig, "recipe", "correct", "corrected"),
    ],
)
def test_an_unknown_word_is_refused_with_the_option_and_the_nearest_word(
    kind: Any, field: str, wrong: str, right: str
) -> None:
    with pytest.raises(UnknownNameError, match=f"{field} '{wrong}': did you mean '{right}'"):
        kind(**{field: wrong})


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (TeacherConfig, "epochs", 1),
        (TeacherConfig, "patience", 0),
        (TeacherConfig, "weight_decay", 0.0),
        (TeacherConfig, "shift", 0),
        *((TeacherConfig, "schedule", name) for name in SCHEDULES),
        *((TeacherConfig, "precision", name) for name in PRECISIONS),
        (DistillConfig, "noise_iterations", 1),
        (DistillConfig, "noise_tolerance", 0.0),
        (DistillConfig, "temperature", 0.1),
        *((DistillConfig, "recipe", name) for name in RECIPES),
    ],
)
def test_a_value_at_the_edge_of_what_can_be_is_taken(kind: Any, field: str, value: Any) -> None:
    assert getattr(kind(**{field: value}), field) == value


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_seed_of_numpy_is_taken(kind: Any) -> None:
    assert kind(seed=2**32 - 1).seed == 2**32 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_that_numpy_cannot_take_is_refused_by_its_flag(kind: Any) -> None:
    with pytest.raises(RequestError, match=r"^--seed"):
        kind(seed=2**32)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5, NAN])
def test_a_holdout_of_none_or_all_images_is_refused_by_its_flag(fraction: float) -> None:
    with pytest.raises(RequestError, match=r"^--validation-fraction"):
        Holdout(fraction=fraction)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_is_made_once(kind: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        kind().epochs = 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_survives_json(kind: Any) -> None:
    config = kind(epochs=7, seed=3)
    assert json.loads(json.dumps(asdict(config))) == asdict(config)


def test_teachers_are_trained_as_in_the_article() -> None:
    """Vinell 2020: Adam, batches of 32, up to 50 epochs, patience of 3, a tenth held out."""
    config = TeacherConfig()
    found = (config.batch_size, config.epochs, config.patience, config.validation_fraction)
    assert found == (32, 50, 3, 0.1)
    assert (config.weight_decay, config.augment, config.schedule) == (1e-4, False, "constant")


def test_students_are_taught_as_in_the_article() -> None:
    """Vinell 2020: 30 updates of 32 images an epoch at 1e-4; noise at 1e-2, 100 steps, 1e-5."""
    config = DistillConfig()
    assert (config.steps_per_epoch, config.batch_size, config.learning_rate) == (30, 32, 1e-4)
    noise = (config.noise_learning_rate, config.noise_iterations, config.noise_tolerance)
    assert noise == (1e-2, 100, 1e-5)
