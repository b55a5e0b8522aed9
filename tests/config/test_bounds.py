"""What every option takes and refuses, drawn from the table that declares them."""

import json
import math
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from kextract.config import DistillConfig, Holdout, TeacherConfig
from kextract.config.option import Entry, assemble, convert, names_of, table
from kextract.config.requests import REQUESTS
from kextract.errors import RequestError, UnknownNameError

NUMBERS = (-math.inf, -1, -1e-9, 0, 1e-9, 0.5, 1, 2, 10, 2**32 - 1, 2**32, math.inf, math.nan)
ENTRIES = {
    (command, name): e for command, cls in REQUESTS.items() for name, e in table(cls).items()
}
BOUNDED = [place for place, entry in ENTRIES.items() if entry.option.bounds]
NAMED = [place for place, entry in ENTRIES.items() if names_of(entry.option.choices)]
INTERVALS = {
    "at least 0": {"patience", "shift", "save_images", "adversarial_after", "query_budget"},
    "at least 2": {"synthesis_batch_size", "classes"},
    "at least 10": {"limit"},
    "a seed": {"seed"},
    "positive": {
        *("learning_rate", "minutes", "temperature", "noise_learning_rate"),
        *("generator_learning_rate", "query_timeout"),
    },
    "not negative": {
        *("weight_decay", "noise_tolerance", "class_weight", "batch_norm_weight"),
        *("balance_weight", "tv_weight", "adversarial_weight"),
    },
    "within 0 and 1": {"validation_fraction", "mix_share", "first_share"},
    "from 0 to 1": {"cutmix", "mixup", "min_accuracy", "min_agreement"},
    "above 0, to 1": {"adversarial_share"},
}
"""Which numbers an option means, said again without the code; others are counts from 1."""
MEANT = {
    "at least 0": lambda value: value >= 0,
    "at least 1": lambda value: value >= 1,
    "at least 2": lambda value: value >= 2,
    "at least 10": lambda value: value >= 10,
    "a seed": lambda value: 0 <= value <= 4294967295,
    "positive": lambda value: 0 < value < math.inf,
    "not negative": lambda value: 0 <= value < math.inf,
    "within 0 and 1": lambda value: 0 < value < 1,
    "from 0 to 1": lambda value: 0 <= value <= 1,
    "above 0, to 1": lambda value: 0 < value <= 1,
}


def possible(entry: Entry) -> Iterator[Any]:
    """Give the numbers that have the option's type."""
    yield from (each for each in NUMBERS if entry.kind is float or isinstance(each, int))


def make(command: str, name: str, value: Any) -> Any:
    return assemble(REQUESTS[command], {name: value})


@pytest.mark.parametrize("place", BOUNDED, ids="-".join)
def test_an_option_takes_the_numbers_that_it_means_and_refuses_others(
    place: tuple[str, str],
) -> None:
    command, name = place
    interval = next((which for which, names in INTERVALS.items() if name in names), "at least 1")
    for value in possible(ENTRIES[place]):
        if MEANT[interval](value):
            make(command, name, value)
        else:
            flag = "--" + name.replace("_", "-")
            with pytest.raises(RequestError, match=f"^{flag} {value}: must be "):
                make(command, name, value)


@pytest.mark.parametrize("place", NAMED, ids="-".join)
def test_an_option_takes_its_words_and_names_the_nearest_to_others(place: tuple[str, str]) -> None:
    command, name = place
    for word in names_of(ENTRIES[place].option.choices):
        make(command, name, word)
        with pytest.raises(UnknownNameError, match=f"'{word}x': did you mean '{word}'"):
            make(command, name, f"{word}x")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5, math.nan])
def test_a_holdout_of_none_or_all_images_is_refused_by_its_flag(fraction: float) -> None:
    with pytest.raises(RequestError, match=r"^--validation-fraction"):
        Holdout(fraction=fraction)


@pytest.mark.parametrize("kind", [TeacherConfig, DistillConfig])
def test_a_configuration_is_made_once_and_survives_json(kind: Any) -> None:
    config = kind(epochs=7, seed=3)
    with pytest.raises(FrozenInstanceError):
        config.epochs = 5
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


def test_a_share_may_be_typed_as_a_percentage() -> None:
    entry = table(REQUESTS["evaluate"])["min_accuracy"]
    assert convert(entry, "95%", "") == pytest.approx(0.95)
    assert convert(entry, "0.95", "") == pytest.approx(0.95)


@pytest.mark.parametrize(("name", "value"), [("mix_share", "half%"), ("learning_rate", "1%")])
def test_other_percentages_are_not_numbers(name: str, value: str) -> None:
    with pytest.raises(RequestError, match="must be a number"):
        convert(table(REQUESTS["distill"])[name], value, name)
