import io
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from kextract.config import DistillConfig
from kextract.config.shared import Output
from kextract.display.formats import PlainDisplay
from kextract.errors import RequestError
from kextract.records import EpochRecord, Event, Progress
from kextract.runs import fitting
from kextract.runs.fitting import fitted, trials_told_to
from kextract.runs.job import run_job


class Seconds:
    """A clock that has gone on by a second each time it is looked at."""

    def __init__(self) -> None:
        self._passed = count()

    def perf_counter(self) -> float:
        return float(next(self._passed))


@pytest.fixture(autouse=True)
def _seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "time", Seconds())


def trial(config: DistillConfig) -> Iterator[Event]:
    """Ask 40 questions, then teach."""
    for asked in range(1, 41):
        yield Progress(1, "asking the teacher", asked, 40, asked)
    for step in range(1, config.steps_per_epoch + 1):
        yield Progress(1, "teaching", step, config.steps_per_epoch, step)
    yield EpochRecord(1)


def test_what_a_trial_asks_is_told_now_and_then() -> None:
    told: list[str] = []
    with trials_told_to(told.append):
        fitted(DistillConfig(), 10, 0.0, trial)
    assert told[0] == "before the minutes are fitted: asking the teacher, 1 of 40"
    assert 2 < len(told) < 10


def test_a_run_shows_on_stderr_what_its_trial_asks(tmp_path: Path) -> None:
    class Fitting:
        output = tmp_path / "student.weights.h5"
        command = "kextract distill"
        title = "student"
        invocation: Any = SimpleNamespace(request=SimpleNamespace(strategy="none"))
        names: ClassVar[dict[str, Any]] = {}
        ledger = None

        def check_output(self, *, replace: bool) -> None:
            pass

        def build(self, kept: object = None) -> Any:
            fitted(DistillConfig(), 10, 0.0, trial)
            raise RequestError("enough")

    shown = io.StringIO()
    with pytest.raises(RequestError, match="enough"):
        run_job(Fitting(), Output(), PlainDisplay(io.StringIO(), shown))
    assert "asking the teacher, 1 of 40" in shown.getvalue()


def test_time_for_questions_counts_once_because_the_run_does_not_ask_again() -> None:
    """Of 600 seconds 40 are for questions, twice 1 for the first update, 41 for the trial's."""
    config = fitted(DistillConfig(), 10, 0.0, trial)
    assert 500 <= config.epochs * config.steps_per_epoch <= 600 - 40 - 41


def test_a_trial_makes_a_part_of_the_warm_up_and_leaves_time_for_all_of_it() -> None:
    """Of 600 seconds the trial takes 1 for each of 20 steps and 41 updates, the warm-up 100."""

    def inverting(config: DistillConfig) -> Iterator[Event]:
        steps = config.inversion.warm_up
        for step in range(1, steps + 1):
            yield Progress(1, "inverting", step, steps, step)
        yield from teaching(config)

    def teaching(config: DistillConfig) -> Iterator[Event]:
        for step in range(1, config.steps_per_epoch + 1):
            yield Progress(1, "teaching", step, config.steps_per_epoch, step)
        yield EpochRecord(1)

    config = fitted(DistillConfig(method="inversion"), 10, 0.0, inverting)
    assert config.inversion.warm_up == 100
    assert 420 <= config.epochs * config.steps_per_epoch <= 600 - 20 - 41 - 100


def test_a_trial_cuts_a_part_of_the_leaves_and_leaves_time_for_all_of_them() -> None:
    """Of 600 seconds a trial takes 32 for the crops, 41 for updates; all crops take 9 times 31."""

    def cutting(config: DistillConfig) -> Iterator[Event]:
        assert config.leaves == 1024
        for cut in range(32, config.leaves + 1, 32):
            yield Progress(1, "cutting leaves", cut, config.leaves, cut)
        for step in range(1, config.steps_per_epoch + 1):
            yield Progress(1, "teaching", step, config.steps_per_epoch, step)
        yield EpochRecord(1)

    config = fitted(DistillConfig(method="leaves", leaves=9 * 1024), 10, 0.0, cutting)
    assert config.leaves == 9 * 1024
    assert 200 <= config.epochs * config.steps_per_epoch <= 600 - 32 - 41 - 9 * 31


def test_every_epoch_of_a_long_schedule_has_time_to_be_measured() -> None:
    """An update takes a second, and measuring 100: 10 hours are for some 60 epochs of 500."""

    def measured(config: DistillConfig) -> Iterator[Event]:
        for step in range(1, config.steps_per_epoch + 1):
            yield Progress(1, "teaching", step, config.steps_per_epoch, step)
        yield EpochRecord(1, details={"evaluation_seconds": 100.0})

    config = fitted(DistillConfig(method="random"), 600, 0.0, measured)
    seconds = config.epochs * (config.steps_per_epoch + 100)
    assert 0.95 * 36_000 < seconds <= 36_000
