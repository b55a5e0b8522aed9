"""What every option takes and refuses, drawn from the table that declares them."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kextract.config import DistillConfig, TeacherConfig
from kextract.config.option import Entry, assemble, convert, names_of, table
from kextract.config.requests import REQUESTS
from kextract.errors import RequestError, UnknownNameError

NUMBERS = (-math.inf, -1, -1e-9, 0, 1e-9, 0.5, 1, 2, 10, 2**32 - 1, 2**32, math.inf, math.nan)
ENTRIES = {
    (command, name): e for command, cls in REQUESTS.items() for name, e in table(cls).items()
}
BOUNDED = [place for place, entry in ENTRIES.items() if entry.option.bounds]
NAMED = [place for place, entry in ENTRIES.items() if names_of(entry.option.choices)]
MEANT: dict[str, Callable[[float], bool]] = {
    "a positive number": lambda value: 0 < value < math.inf,
    "0 or a positive number": lambda value: 0 <= value < math.inf,
    "between 0 and 1, such as 0.1": lambda value: 0 < value < 1,
    "from 0 to 1": lambda value: 0 <= value <= 1,
    "more than 0 and at most 1": lambda value: 0 < value <= 1,
    "a whole number from 0 to 4294967295": lambda value: 0 <= value <= 4294967295,
}
"""What the words of a refusal mean; others are "N or more"."""


def meant(words: str) -> Callable[[float], bool]:
    least = re.fullmatch(r"(\d+) or more", words)
    return MEANT[words] if least is None else lambda value: value >= int(least[1])


def possible(entry: Entry) -> Iterator[Any]:
    """Give the numbers that have the option's type."""
    yield from (each for each in NUMBERS if entry.kind is float or isinstance(each, int))


def make(command: str, name: str, value: Any) -> Any:
    return assemble(REQUESTS[command], {name: value})


@pytest.mark.parametrize("place", BOUNDED, ids="-".join)
def test_an_option_takes_the_numbers_that_its_refusal_tells_of_and_no_others(
    place: tuple[str, str],
) -> None:
    command, name = place
    bounds = ENTRIES[place].option.bounds
    assert bounds is not None
    is_meant = meant(bounds.text)
    for value in possible(ENTRIES[place]):
        if is_meant(value):
            make(command, name, value)
        else:
            flag = "--" + name.replace("_", "-")
            with pytest.raises(RequestError, match=f"^{flag} {value}: must be {bounds.text}"):
                make(command, name, value)


@pytest.mark.parametrize("place", NAMED, ids="-".join)
def test_an_option_takes_its_words_and_names_the_nearest_to_others(place: tuple[str, str]) -> None:
    command, name = place
    for word in names_of(ENTRIES[place].option.choices):
        make(command, name, word)
        with pytest.raises(UnknownNameError, match=f"'{word}x': did you mean '{word}'"):
            make(command, name, f"{word}x")


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
