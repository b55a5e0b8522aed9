"""Epochs and what came of them as aligned lines: the best so far marked with a star."""

from collections.abc import Sequence

from kextract.columns import COLUMNS, column, in_ascii
from kextract.display.base import NEXT, VERDICT, Outcome
from kextract.records import EpochRecord, best_epoch
from kextract.text import MISSING, decimals, duration, one_line

GAP = "  "
STAR = "*"
SAID = (VERDICT, NEXT)
_PARTS_OF_TIME = ("synthesis_seconds", "student_seconds", "evaluation_seconds")
"""Columns that are all there or not at all: together they are the epoch's time."""


class EpochRows:
    """Writes one row per epoch and remembers the best epoch so far."""

    def __init__(self, names: Sequence[str], *, ascii_only: bool = False) -> None:
        self.columns = tuple(column(name) for name in names)
        self._ascii_only = ascii_only
        self.best: EpochRecord | None = None

    def header(self) -> str:
        """Write the column names, each above the right edge of its metrics."""
        return GAP.join(column.header.rjust(column.width) for column in self.columns)

    def legend(self) -> str:
        """Say in one line what the headers do not."""
        told = (f"{each.header}: {each.about}" for each in self.columns if each.about)
        return "; ".join(told)

    def row(self, record: EpochRecord) -> tuple[str, str]:
        """Write the record, and a star where it beats all before it.

        Epoch 0, the untrained model, is never marked but has to be beaten.
        """
        before = self.best
        self.best = best_epoch([record] if before is None else [before, record])
        better = self.best is not before and record.epoch > 0
        text = GAP.join(column.text(record).rjust(column.width) for column in self.columns)
        return in_ascii(text) if self._ascii_only else text, f"{GAP}{STAR}" if better else ""


def fitting(names: Sequence[str], width: int) -> tuple[str, ...]:
    """Choose the columns that fit `width` characters, in the order of `names`.

    What comes first in the registry matters most and is chosen first.
    """
    room = width - len(STAR)
    chosen: set[str] = set()
    times = [column(name) for name in names if name in _PARTS_OF_TIME]
    others = [[column(name)] for name in COLUMNS if name in names and name not in _PARTS_OF_TIME]
    for group in (*others, times):
        needed = sum(column.width + len(GAP) for column in group)
        if needed <= room:
            chosen.update(column.name for column in group)
            room -= needed
    return tuple(name for name in names if name in chosen)


def closing_lines(history: Sequence[EpochRecord], outcome: Outcome) -> list[tuple[str, str]]:
    """Give the time it took and the outcome: labels, all padded to one width, and what they are."""
    facts = {_label(name): _value(outcome[name]) for name in outcome if name not in SAID}
    if history:
        facts = {"time": duration(sum(record.seconds for record in history)), **facts}
    width = max(map(len, facts), default=0)
    return [(label.ljust(width), text) for label, text in facts.items()]


def last_lines(outcome: Outcome) -> tuple[str, ...]:
    """Give what is said of the run, to be folded between words, and what is to be copied whole."""
    if VERDICT not in outcome:
        return ()
    command = f"Next: {outcome[NEXT]}" if NEXT in outcome else ""
    return tuple(one_line(text) for text in (outcome[VERDICT], command) if text)


def _label(name: str) -> str:
    return one_line(name.replace("_", " "))


def _value(value: str | float | int) -> str:
    if isinstance(value, float):
        return decimals(value, 4, 12)
    return one_line(value) or MISSING
