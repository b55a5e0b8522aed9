from collections.abc import Iterator
from itertools import count

import pytest

from kextract.config import DistillConfig
from kextract.records import EpochRecord, Event, Progress
from kextract.runs import plan
from kextract.runs.plan import continued, fitted

SHAPE = (32, 32, 3)


class Seconds:
    """A clock that has gone on by a second each time it is looked at."""

    def __init__(self) -> None:
        self._passed = count()

    def perf_counter(self) -> float:
        return float(next(self._passed))


@pytest.fixture(autouse=True)
def _seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "time", Seconds())


def teaching(config: DistillConfig, **details: float) -> Iterator[Event]:
    """Teach with an update a second."""
    for step in range(1, config.steps_per_epoch + 1):
        yield Progress(1, "teaching", step, config.steps_per_epoch, step)
    yield EpochRecord(1, details=details)


def asking(config: DistillConfig) -> Iterator[Event]:
    """Ask 40 questions, then teach."""
    for asked in range(1, 41):
        yield Progress(1, "asking the teacher", asked, 40, asked)
    yield from teaching(config)


def inverting(config: DistillConfig) -> Iterator[Event]:
    """Warm a generator up with a step a second, then teach."""
    steps = config.inversion.warm_up
    for step in range(1, steps + 1):
        yield Progress(1, "inverting", step, steps, step)
    yield from teaching(config)


def cutting(config: DistillConfig, at_once: int = 32) -> Iterator[Event]:
    """Cut so many crops a second, then teach."""
    assert config.leaves is not None
    for cut in range(at_once, config.leaves + 1, at_once):
        yield Progress(1, "cutting crops", cut, config.leaves, cut)
    yield from teaching(config)


def test_what_a_trial_asks_is_told_now_and_then() -> None:
    told: list[str] = []
    fitted(DistillConfig(), 10, 0.0, asking, SHAPE, told.append)
    assert told[0] == "before the minutes are fitted: asking the teacher, 1 of 40"
    assert 2 < len(told) < 10


def test_a_trial_makes_a_part_of_the_warm_up_and_leaves_time_for_all_of_it() -> None:
    """Of 600 seconds the trial takes 1 for each of 20 steps and 41 updates, the warm-up 100."""
    config = fitted(DistillConfig(method="inversion"), 10, 0.0, inverting, SHAPE)
    assert config.inversion.warm_up == 100
    assert 420 <= config.epochs * config.steps_per_epoch <= 600 - 20 - 41 - 100


def test_of_large_images_a_trial_cuts_few_leaves_and_a_run_as_many_as_there_is_time_for() -> None:
    tried: list[int | None] = []
    told: list[str] = []

    def trial(config: DistillConfig) -> Iterator[Event]:
        tried.append(config.leaves)
        yield from cutting(config, at_once=1)

    config = fitted(DistillConfig(method="leaves"), 20, 0.0, trial, (224, 224, 3), told.append)
    # As many pixels as 1,024 crops of 64x64 have.
    assert tried == [83]
    assert config.leaves is not None
    assert 83 < config.leaves < 0.09 * 1200
    assert f"{config.leaves} crops fit 20 minutes (--leaves)" in told
    assert config.leaves + config.epochs * config.steps_per_epoch + 83 < 1200


def test_an_unfinished_run_goes_on_with_the_leaves_that_it_was_fitted_to() -> None:
    kept = {"--epochs": 6, "--steps-per-epoch": 9, "--leaves": 500}
    assert continued(DistillConfig(minutes=1), kept).leaves == 500
    assert continued(DistillConfig(minutes=1, leaves=70), kept).leaves == 70
