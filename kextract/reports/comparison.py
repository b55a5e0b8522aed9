"""Teachers and students side by side: the summary table and the epoch tables of the article.

Several seeds of one configuration are one row: mean, sample standard deviation, number of runs.
"""

from collections.abc import Callable, Sequence

from kextract.columns import COLUMNS
from kextract.reports.grouping import Group, single
from kextract.reports.metrics import Metric, default_metrics, value_in
from kextract.reports.run import Run
from kextract.reports.spread import Spread, spread
from kextract.reports.table import Cell, Table, column_key, figure_cell, name_cell

_METRICS = ("loss", "accuracy")


def summary(
    groups: Sequence[Group] | Sequence[Run],
    metrics: Sequence[Metric] | None = None,
    *,
    separate: bool = False,
) -> Table:
    """Give a row for each group, a column for each metric; what was not measured is "--".

    Without `metrics`: how the runs started, their best and last metrics, and the test accuracy
    where there is any. A spread stands beside its mean, "0.98 ± 0.01"; with `separate` it has a
    column of its own, for programs. The number of runs is shown where any group has several.
    """
    grouped = _groups(groups)
    runs = [run for group in grouped for run in group.runs]
    chosen = default_metrics(runs) if metrics is None else metrics
    several = any(len(group.runs) > 1 for group in grouped)
    fields = [name for name, _ in grouped[0].fields] if grouped else []
    columns = [*(fields or ["model"]), *(["runs"] if several else [])]
    for metric in chosen:
        columns.append(metric.header)
        if several and separate:
            columns.append(f"{metric.header} deviation")
    rows = []
    for group in grouped:
        cells = _heads(group)
        if several:
            cells.append(figure_cell(len(group.runs), COLUMNS["epoch"].write))
        for metric in chosen:
            found = spread(metric.value(run) for run in group.runs)
            cells += _spread_cells(found, metric.write, separate=several and separate)
        rows.append(tuple(cells))
    return Table("summary", tuple(columns), tuple(rows))


def epochs(groups: Sequence[Group] | Sequence[Run], *, separate: bool = False) -> Table:
    """Give a row for each epoch and a pair of columns, loss and accuracy, for each group.

    The best loss and the best accuracy are bold, the earliest among equals. `separate` is as in
    `summary`.
    """
    grouped = _groups(groups)
    columns, cells = ["epoch"], []
    numbers = sorted({r.epoch for group in grouped for run in group.runs for r in run.history})
    for name, group in zip(_distinct([group.label for group in grouped]), grouped, strict=True):
        separated = separate and len(group.runs) > 1
        for metric in _METRICS:
            columns.append(f"{name} {metric}")
            if separated:
                columns.append(f"{name} {metric} deviation")
            cells += _epoch_columns(group, metric, numbers, separate=separated)
    heads = [figure_cell(number, COLUMNS["epoch"].write) for number in numbers]
    return Table("epochs", tuple(columns), tuple(zip(heads, *cells, strict=True)))


def epoch_spreads(group: Group, metric: str) -> dict[int, Spread]:
    """Give mean and spread of a metric over the runs of a group, by epoch."""
    values: dict[int, list[float | None]] = {}
    for run in group.runs:
        for record in run.history:
            values.setdefault(record.epoch, []).append(value_in(record, metric))
    found = {epoch: spread(values[epoch]) for epoch in sorted(values)}
    return {epoch: measured for epoch, measured in found.items() if measured is not None}


def _groups(groups: Sequence[Group] | Sequence[Run]) -> list[Group]:
    return [item if isinstance(item, Group) else single([item])[0] for item in groups]


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
        return [figure_cell(found.mean, write), figure_cell(found.deviation, write)]
    text = write(found.mean)
    # Sizes do not spread from seed to seed, and are whole numbers.
    if found.deviation is not None and write(found.deviation) != "0":
        text = f"{text} ± {write(found.deviation)}"
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
