"""Teachers and students side by side: the summary table and the epoch tables of the article.

Several seeds of one configuration are one row: mean, sample standard deviation, number of runs.

A summary shows metrics by name: `starting_X`, `best_X`, `last_X` and `mean_X` are of the epochs,
`test_X` is of the test images; X is a metric of an epoch, such as `accuracy`, or one of its
details, such as `iterations`. A best loss or accuracy is the best over the trained epochs, each for
itself, as in "Knowledge Extraction Noise" (Vinell, 2020): its random student's best accuracy is
below that of its epoch 0. Only a run that has nothing but epoch 0 is judged by it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from kextract.errors import UnknownNameError
from kextract.records import COLUMNS, EpochRecord
from kextract.reports.runs import Group, Run, Spread, spread
from kextract.reports.table import Cell, Table, column_key, figure_cell, name_cell
from kextract.text import decimals

SUMMARY = (
    *("test_accuracy", "test_agreement", "test_mistakes_repeated"),
    *("last_unseen_agreement", "best_accuracy", "last_accuracy", "parameters"),
)
"""What matters most comes first; of these a table has what any run has."""
ARTICLE = (
    *("starting_loss", "starting_accuracy", "best_loss", "best_accuracy"),
    *("last_loss", "last_accuracy"),
)
"""The columns of the article's tables, and the last epoch: what `--columns article` stands for."""
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
    chosen = ARTICLE if tuple(names) == ("article",) else names
    for name in chosen:
        if name not in known:
            raise UnknownNameError("metric (--columns)", name, ("article", *known), listed=True)
    return tuple(known[name] for name in chosen)


def default_metrics(runs: Sequence[Run]) -> tuple[Metric, ...]:
    """Give what matters most, of that what any run has."""
    known = _known(runs)
    metrics = (known[name] for name in SUMMARY if name in known)
    return tuple(each for each in metrics if any(each.value(run) is not None for run in runs))


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
    """Take it from the teacher where that is given too, else from what the student was told."""
    teacher = teachers.get(run.teacher_sha256)
    return teacher.test.get("accuracy") if teacher else run.test.get("teacher_accuracy")


def _share(run: Run, teachers: dict[str, Run]) -> float | None:
    """How much of its teacher's test accuracy a student has, where the teacher is given too."""
    best, own = _teacher_accuracy(run, teachers), run.test.get("accuracy")
    return own / best if own is not None and best else None


_OF_EPOCHS = ("loss", "accuracy")


def summary(
    groups: Sequence[Group], metrics: Sequence[Metric] | None = None, *, separate: bool = False
) -> Table:
    """Give a row for each group, a column for each metric; what was not measured is "--".

    Without `metrics` they are the default ones. A spread stands beside its mean, "0.98 ± 0.01";
    with `separate` it has a column of its own, for programs. The number of runs is shown where any
    group has several.
    """
    runs = [run for group in groups for run in group.runs]
    chosen = default_metrics(runs) if metrics is None else metrics
    several = any(len(group.runs) > 1 for group in groups)
    fields = [name for name, _ in groups[0].fields] if groups else []
    columns = [*(fields or ["model"]), *(["runs"] if several else [])]
    for metric in chosen:
        columns.append(metric.header)
        if several and separate:
            columns.append(f"{metric.header} std")
    rows = []
    for group in groups:
        cells = _heads(group)
        if several:
            cells.append(figure_cell(len(group.runs), COLUMNS["epoch"].write))
        for metric in chosen:
            found = spread(metric.value(run) for run in group.runs)
            cells += _spread_cells(found, metric.write, separate=several and separate)
        rows.append(tuple(cells))
    return Table("summary", tuple(columns), tuple(rows))


def epochs(groups: Sequence[Group], *, separate: bool = False) -> Table:
    """Give a row for each epoch and a pair of columns, loss and accuracy, for each group.

    The best loss and the best accuracy are bold, the earliest among equals. `separate` is as in
    `summary`.
    """
    columns, cells = ["epoch"], []
    numbers = sorted({r.epoch for group in groups for run in group.runs for r in run.history})
    for name, group in zip(_distinct([group.label for group in groups]), groups, strict=True):
        separated = separate and len(group.runs) > 1
        for metric in _OF_EPOCHS:
            columns.append(f"{name} {metric}")
            if separated:
                columns.append(f"{name} {metric} std")
            cells += _epoch_columns(group, metric, numbers, separate=separated)
    heads = [figure_cell(number, COLUMNS["epoch"].write) for number in numbers]
    title = "epochs (loss: cross-entropy and L2 penalty, as in the article)"
    return Table(title, tuple(columns), tuple(zip(heads, *cells, strict=True)))


def epoch_spreads(group: Group, metric: str) -> dict[int, Spread]:
    """Give mean and spread of a metric over the runs of a group, by epoch."""
    values: dict[int, list[float | None]] = {}
    for run in group.runs:
        for record in run.history:
            values.setdefault(record.epoch, []).append(value_in(record, metric))
    found = {epoch: spread(values[epoch]) for epoch in sorted(values)}
    return {epoch: measured for epoch, measured in found.items() if measured is not None}


def _heads(group: Group) -> list[Cell]:
    if not group.fields:
        return [name_cell(group.label, bold=True)]
    return [name_cell(value or group.kind, bold=True) for _, value in group.fields]


def _spread_cells(
    found: Spread | None, write: Callable[[float], str], *, separate: bool, bold: bool = False
) -> list[Cell]:
    if found is None:
        return [figure_cell(None, write)] * (2 if separate else 1)
    if separate:
        return [figure_cell(found.mean, write), figure_cell(found.std, write)]
    text = write(found.mean)
    # Sizes do not spread from seed to seed, and are whole numbers.
    if found.std is not None and write(found.std) != "0":
        text = f"{text} ± {write(found.std)}"
    return [Cell(found.mean, text, bold)]


def _epoch_columns(
    group: Group, metric: str, numbers: Sequence[int], *, separate: bool
) -> list[list[Cell]]:
    spreads = epoch_spreads(group, metric)
    best = _best_epoch(group, metric, spreads)
    rows = [
        _spread_cells(
            spreads.get(number), COLUMNS[metric].write, separate=separate, bold=number == best
        )
        for number in numbers
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _best_epoch(group: Group, metric: str, spreads: dict[int, Spread]) -> int | None:
    judged = {record.epoch for run in group.runs for record in run.judged}
    means = {epoch: found.mean for epoch, found in spreads.items() if epoch in judged}
    if not means:
        return None
    choose = min if metric == "loss" else max
    return choose(means, key=lambda epoch: means[epoch])


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the names that come again, so that no column hides another."""
    given: set[str] = set()
    distinct = []
    for name in names:
        candidate, count = name, 1
        while column_key(candidate) in given:
            count += 1
            candidate = f"{name} ({count})"
        given.add(column_key(candidate))
        distinct.append(candidate)
    return distinct
