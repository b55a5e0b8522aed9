"""Epochs as the aligned rows of a log: fixed widths, the best so far marked with a star."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kextract.columns import Column, column, in_ascii
from kextract.records import EpochRecord, best_epoch

GAP = "  "
STAR = "*"


@dataclass(frozen=True, slots=True)
class Row:
    """One written epoch."""

    text: str
    """The aligned figures, without the mark."""
    better: bool
    """Whether the epoch beats all before it."""

    @property
    def marked(self) -> str:
        """The row with a star where it is better."""
        return f"{self.text}{GAP}{STAR}" if self.better else self.text


class EpochRows:
    """Writes one row an epoch and remembers the best epoch so far."""

    def __init__(self, names: Sequence[str], *, ascii_only: bool = False) -> None:
        self.columns = tuple(column(name) for name in names)
        self._ascii_only = ascii_only
        self.best: EpochRecord | None = None

    def header(self) -> str:
        """Write the column names, each above the right edge of its figures."""
        return GAP.join(column.header.rjust(column.width) for column in self.columns)

    def row(self, record: EpochRecord) -> Row:
        """Write the record.

        Epoch 0, the untrained model, is never marked but has to be beaten.
        """
        before = self.best
        self.best = best_epoch([record] if before is None else [before, record])
        better = self.best is not before and record.epoch > 0
        figures = (column.text(record).rjust(column.width) for column in self.columns)
        text = GAP.join(figures)
        return Row(in_ascii(text) if self._ascii_only else text, better)


def fitting(names: Sequence[str], width: int) -> tuple[str, ...]:
    """Choose the columns that fit `width` characters: in order, passing over those too wide."""
    room = width - len(GAP + STAR)
    chosen: list[str] = []
    for name in names:
        needed = _needed(column(name), first=not chosen)
        if needed <= room:
            chosen.append(name)
            room -= needed
    return tuple(chosen)


def _needed(column: Column[Any], *, first: bool) -> int:
    return column.width if first else len(GAP) + column.width
