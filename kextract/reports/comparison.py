"""Teacher and students side by side: the summary table and the epoch tables of the article.

A best loss or accuracy is the best over the trained epochs, loss and accuracy each for itself, as
in "Knowledge Extraction Noise" (Vinell, 2020): its random student's best accuracy is below that
of its epoch 0. Only a run that has nothing but epoch 0 is judged by it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kextract.columns import COLUMNS, Column
from kextract.records import EpochRecord
from kextract.reports.table import Cell, Table, column_key, figure_cell, name_cell

Better = Callable[[Iterable[float]], float]
_METRICS: tuple[tuple[Column[float], Better], ...] = (
    (COLUMNS["loss"], min),
    (COLUMNS["accuracy"], max),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a checkpoint tells of the run that made it."""

    label: str
    """How the run is called; "" takes kind and method: "student (adversarial)"."""
    kind: Literal["teacher", "student"]
    history: tuple[EpochRecord, ...]
    test: Mapping[str, float] = field(default_factory=dict)
    """Figures on the test images by name; `accuracy` is shown."""
    method: str = ""
    """Where a student's images came from; "" for a teacher."""

    @property
    def name(self) -> str:
        """The label, or what stands for it."""
        if self.label:
            return self.label
        return f"{self.kind} ({self.method})" if self.method else self.kind

    @property
    def start(self) -> EpochRecord | None:
        """The record of the untrained model, where it was measured."""
        return next((record for record in self.history if record.epoch == 0), None)

    @property
    def judged(self) -> tuple[EpochRecord, ...]:
        """The records that compete for the best: the trained ones, where there are any."""
        return tuple(record for record in self.history if record.epoch > 0) or self.history


def summary(runs: Sequence[Run]) -> Table:
    """Give a row for each run: how it started, its best and its last figures.

    The test accuracy is a further column where any run has one. What was not measured is "--".
    """
    columns = ["model"]
    for moment in ("starting", "best", "last"):
        columns += [f"{moment} {column.header}" for column, _ in _METRICS]
    tested = any("accuracy" in run.test for run in runs)
    rows = [(*_summary_row(run), *([_test_cell(run)] if tested else [])) for run in runs]
    return Table("summary", (*columns, *(["test accuracy"] if tested else [])), tuple(rows))


def _summary_row(run: Run) -> tuple[Cell, ...]:
    last = run.history[-1] if run.history else None
    return (
        name_cell(run.name, bold=True),
        *(_record_cell(run.start, column) for column, _ in _METRICS),
        *(figure_cell(_best(run, column, better), column.write) for column, better in _METRICS),
        *(_record_cell(last, column) for column, _ in _METRICS),
    )


def _test_cell(run: Run) -> Cell:
    return figure_cell(run.test.get("accuracy"), COLUMNS["accuracy"].write)


def _record_cell(record: EpochRecord | None, column: Column[float], *, bold: bool = False) -> Cell:
    value = None if record is None else column.value(record)
    return figure_cell(value, column.write, bold=bold)


def _best(run: Run, column: Column[float], better: Better) -> float | None:
    values = (column.value(record) for record in run.judged)
    measured = [value for value in values if value is not None and math.isfinite(value)]
    return better(measured) if measured else None


def epochs(runs: Sequence[Run]) -> Table:
    """Give a row for each epoch and a pair of columns, loss and accuracy, for each run.

    The best loss and the best accuracy of each run are bold, the earliest among equals.
    """
    columns, cells = ["epoch"], []
    numbers = sorted({record.epoch for run in runs for record in run.history})
    for name, run in zip(_distinct([run.name for run in runs]), runs, strict=True):
        for column, better in _METRICS:
            columns.append(f"{name} {column.header}")
            cells.append(_epoch_cells(run, column, better, numbers))
    heads = [figure_cell(number, COLUMNS["epoch"].write) for number in numbers]
    return Table("epochs", tuple(columns), tuple(zip(heads, *cells, strict=True)))


def _epoch_cells(
    run: Run, column: Column[float], better: Better, numbers: Sequence[int]
) -> list[Cell]:
    best = _best(run, column, better)
    records = {record.epoch: record for record in run.history}
    bold = next((r.epoch for r in run.judged if best is not None and column.value(r) == best), None)
    return [_record_cell(records.get(number), column, bold=number == bold) for number in numbers]


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
