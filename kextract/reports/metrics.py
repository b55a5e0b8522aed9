"""The metrics that a summary can show of a run, by name.

`starting_X`, `best_X`, `last_X` and `mean_X` are of the epochs, `test_X` is of the test images; X
is a metric of an epoch, such as `accuracy`, or one of its details, such as `iterations`. A best
loss or accuracy is the best over the trained epochs, each for itself, as in "Knowledge Extraction
Noise" (Vinell, 2020): its random student's best accuracy is below that of its epoch 0. Only a run
that has nothing but epoch 0 is judged by it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from kextract.columns import COLUMNS
from kextract.errors import UnknownNameError
from kextract.records import EpochRecord
from kextract.reports.run import Run
from kextract.text import decimals

SUMMARY = (
    *("starting_loss", "starting_accuracy", "best_loss", "best_accuracy"),
    *("last_loss", "last_accuracy"),
)
"""The columns of the article's tables, and the last epoch."""
TESTED = "test_accuracy"
_FIELDS = ("loss", "accuracy", "train_loss", "agreement", "kl", "seconds")
_TEST = ("accuracy", "loss", "cross_entropy", "agreement", "kl")
_BEST: dict[str, Callable[[Iterable[float]], float]] = {
    **dict.fromkeys(("loss", "train_loss", "kl"), min),
    **dict.fromkeys(("accuracy", "agreement"), max),
}
_four = partial(decimals, digits=4, width=12)
_one = partial(decimals, digits=1, width=12)


def _count(value: float) -> str:
    return f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a run: how it is called, found and written."""

    name: str
    value: Callable[[Run], float | None]
    write: Callable[[float], str] = _four

    @property
    def header(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ")


def find_metrics(names: Sequence[str], runs: Sequence[Run]) -> tuple[Metric, ...]:
    """Look metrics up. Raises UnknownNameError for one that none of the runs can have."""
    known = _known(runs)
    for name in names:
        if name not in known:
            raise UnknownNameError("metric (--columns)", name, known)
    return tuple(known[name] for name in names)


def default_metrics(runs: Sequence[Run]) -> tuple[Metric, ...]:
    """Give the columns of the article's tables, with the test accuracy where any run has one."""
    tested = any("accuracy" in run.test for run in runs)
    return find_metrics((*SUMMARY, *((TESTED,) if tested else ())), runs)


def best_of(run: Run, name: str) -> float | None:
    """Return the best finite value of an epoch's metric over the epochs that are judged."""
    values = (value_in(record, name) for record in run.judged)
    measured = [value for value in values if value is not None and math.isfinite(value)]
    return _BEST[name](measured) if measured else None


def value_in(record: EpochRecord | None, name: str) -> float | None:
    """Return a metric of an epoch, or one of its details."""
    if record is None:
        return None
    value: float | None = getattr(record, name) if name in _FIELDS else record.details.get(name)
    return value


def _known(runs: Sequence[Run]) -> dict[str, Metric]:
    details = sorted({name for run in runs for record in run.history for name in record.details})
    epochs = (*_FIELDS, *(name for name in details if name not in _FIELDS))
    tests = dict.fromkeys([*_TEST, *(name for run in runs for name in run.test)])
    teachers = {run.sha256: run for run in runs if run.kind == "teacher" and run.sha256}
    metrics = [
        *(Metric(f"starting_{name}", _starting(name), _writer(name)) for name in epochs),
        *(Metric(f"best_{name}", partial(best_of, name=name), _writer(name)) for name in _BEST),
        *(Metric(f"last_{name}", _last(name), _writer(name)) for name in epochs),
        *(Metric(f"mean_{name}", _mean(name), _writer(name)) for name in epochs),
        *(Metric(f"test_{name}", _test(name), _writer(name)) for name in tests),
        Metric("teacher_accuracy", lambda run: _teacher_accuracy(run, teachers)),
        Metric("teacher_share", lambda run: _share(run, teachers)),
        Metric("minutes", lambda run: sum(record.seconds for record in run.history) / 60, _one),
        Metric("parameters", lambda run: run.parameters, _count),
    ]
    return {metric.name: metric for metric in metrics}


def _writer(name: str) -> Callable[[float], str]:
    return COLUMNS[name].write if name in ("loss", "accuracy", "agreement", "kl") else _four


def _starting(name: str) -> Callable[[Run], float | None]:
    return lambda run: value_in(run.start, name)


def _last(name: str) -> Callable[[Run], float | None]:
    return lambda run: value_in(run.history[-1], name) if run.history else None


def _mean(name: str) -> Callable[[Run], float | None]:
    def mean(run: Run) -> float | None:
        values = [value_in(record, name) for record in run.judged]
        measured = [value for value in values if value is not None]
        return fmean(measured) if measured else None

    return mean


def _test(name: str) -> Callable[[Run], float | None]:
    return lambda run: run.test.get(name)


def _teacher_accuracy(run: Run, teachers: dict[str, Run]) -> float | None:
    teacher = teachers.get(run.teacher_sha256)
    return teacher.test.get("accuracy") if teacher else None


def _share(run: Run, teachers: dict[str, Run]) -> float | None:
    """How much of its teacher's test accuracy a student has, where the teacher is given too."""
    best, own = _teacher_accuracy(run, teachers), run.test.get("accuracy")
    return own / best if own is not None and best else None
