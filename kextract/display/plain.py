"""Rows for logs and pipes: nothing moves, nothing is coloured, each row is flushed at once."""

from collections.abc import Sequence

from kextract.columns import BARS
from kextract.display.base import Display, Outcome, RunHeader, can_show, write_line
from kextract.display.rows import GAP, EpochRows, closing_lines
from kextract.records import EpochRecord


class PlainDisplay(Display):
    """An aligned table on stdout, a row as each epoch ends; title and notes on stderr."""

    _rows: EpochRows | None = None
    _has_table = True

    def start(self, header: RunHeader) -> None:
        """Say what runs on stderr and write the column names, if any, on stdout."""
        for line in (header.title, header.subtitle):
            if line:
                self.note(line)
        self._rows = EpochRows(header.columns, ascii_only=not can_show(self.stdout, BARS))
        self._has_table = bool(header.columns)
        if self._has_table:
            write_line(self.stdout, self._rows.header())

    def epoch(self, record: EpochRecord) -> None:
        """Write the epoch's row."""
        if self._rows is None:
            raise RuntimeError("start() comes before show()")
        write_line(self.stdout, self._rows.row(record).marked)

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the closing summary below the table."""
        lines = closing_lines(history, outcome)
        if lines and self._has_table:
            write_line(self.stdout, "")
        for label, parts in lines:
            write_line(self.stdout, GAP.join((label, *parts)))
