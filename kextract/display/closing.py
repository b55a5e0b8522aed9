"""The lines that close a run: its best epoch, its last one, the time it took, its files."""

from collections.abc import Sequence
from typing import Any

from kextract.columns import Column, column
from kextract.display.base import Outcome
from kextract.records import EpochRecord, best_epoch
from kextract.text import MISSING, decimals, duration, one_line

_FIGURES = ("loss", "accuracy", "agreement", "kl")
BEST = "best"


def closing_lines(history: Sequence[EpochRecord], outcome: Outcome) -> list[tuple[str, str]]:
    """Give the closing summary as pairs of label and text, the labels padded to one width."""
    lines = [*_epochs(history), *((_label(name), _value(outcome[name])) for name in outcome)]
    width = max((len(label) for label, _ in lines), default=0)
    return [(label.ljust(width), text) for label, text in lines]


def _epochs(history: Sequence[EpochRecord]) -> list[tuple[str, str]]:
    if not history:
        return []
    columns = [column(name) for name in _FIGURES]
    shown = [c for c in columns if any(c.value(record) is not None for record in history)]
    width = len(str(max(record.epoch for record in history)))
    lines = [("last", _epoch(history[-1], shown, width))]
    best = best_epoch(history)
    if best is not None:
        lines.insert(0, (BEST, _epoch(best, shown, width)))
    return [*lines, ("time", duration(sum(record.seconds for record in history)))]


def _epoch(record: EpochRecord, columns: Sequence[Column[Any]], width: int) -> str:
    figures = (f"{column.header} {column.text(record)}" for column in columns)
    return "  ".join([f"epoch {record.epoch:>{width}}", *figures])


def _label(name: str) -> str:
    return one_line(name.replace("_", " "))


def _value(value: str | float | int) -> str:
    if isinstance(value, float):
        return decimals(value, 4, 12)
    return one_line(str(value)) or MISSING
