"""Displays in which nothing moves: rows for logs and notebooks, JSON lines, or the path alone.

`make_display` chooses one of these, or the live one, for the stream that is written to.
"""

import io
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TextIO

from rich.console import Console

from kextract.display.base import (
    FILES,
    GAP,
    Display,
    EpochRows,
    Outcome,
    RunHeader,
    can_show,
    closing_lines,
    is_terminal,
    last_lines,
    write_line,
)
from kextract.display.live import COUNTED, LiveDisplay
from kextract.records import BARS, EpochRecord, Progress, best_epoch
from kextract.stdout import results
from kextract.text import json_text, one_line

SILENCE = 10.0
"""Seconds after which a log is told how far work is."""
_DUMB = ("", "dumb", "unknown")


class PlainDisplay(Display):
    """An aligned table on stdout, a row as each epoch ends; title and notes on stderr."""

    _rows: EpochRows
    _written = False
    """Whether the column names are: what is said before the first epoch stands above them."""
    _said = 0.0

    def start(self, header: RunHeader) -> None:
        """Say what runs on stderr."""
        self._said = time.monotonic()
        for line in (header.title, *header.networks, header.subtitle):
            if line:
                self.note(line)
        self._rows = EpochRows(header.columns, ascii_only=not can_show(self.stdout, BARS))
        self._written = False

    def progress(self, progress: Progress) -> None:
        """Say now and then on stderr how far work is of which no row comes."""
        now = time.monotonic()
        if progress.phase not in COUNTED and now - self._said >= SILENCE:
            self._said = now
            self.note(f"{progress.phase} {progress.done}/{progress.total}")

    def epoch(self, record: EpochRecord) -> None:
        """Write the epoch's row, below the column names where it is the first."""
        if not self._written:
            if legend := self._rows.legend():
                self.note(legend)
            write_line(self.stdout, self._rows.header())
            self._written = True
        write_line(self.stdout, "".join(self._rows.row(record)))

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the closing summary below the table."""
        lines = closing_lines(history, outcome)
        if lines and self._written:
            write_line(self.stdout, "")
        for label, text in lines:
            write_line(self.stdout, f"{label}{GAP}{text}")
        if said := last_lines(outcome):
            for line in ("", *said):
                write_line(self.stdout, line)


class JsonLinesDisplay(Display):
    """One JSON object per line on stdout and nothing else, for programs that read along.

    Events "start" (the header), "epoch" (the record) and "end" (best, last, outcome).

    Numbers are in full precision; one that is not finite is null.
    """

    def start(self, header: RunHeader) -> None:
        """Write the header."""
        self._write("start", asdict(header))

    def epoch(self, record: EpochRecord) -> None:
        """Write the whole record, whatever columns the header asks for."""
        self._write("epoch", record.to_dict())

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the best record, the last one, and the outcome as an object of its own."""
        best = best_epoch(history)
        last = history[-1] if history else None
        ends = {
            name: record and record.to_dict() for name, record in (("best", best), ("last", last))
        }
        self._write("end", {**ends, "outcome": outcome})

    def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        write_line(self.stdout, json_text({"event": event, **fields}))


class QuietDisplay(Display):
    """Nothing on stdout but the path of the file that was made, for `$(...)` in a shell.

    Notes still go to stderr.
    """

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the path of the file that was made, where there is one."""
        for name in outcome.keys() & set(FILES):
            path = str(outcome[name])
            write_line(self.stdout, one_line(path) if is_terminal(self.stdout) else path)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Let something move on a terminal while work is done that takes a while."""
    if not _can_move(sys.stderr):
        yield
        return
    with Console(stderr=True).status(text):
        yield


def make_display(
    format: str = "auto", stdout: TextIO | None = None, stderr: TextIO | None = None
) -> Display:
    """Make the display of that name; "auto" is live on a terminal and plain elsewhere.

    Where "live" is asked for and cannot be, the display is plain and a note says why. The streams
    are the process's own by default.
    """
    out = results() if stdout is None else stdout
    err = sys.stderr if stderr is None else stderr
    if format in ("auto", "live"):
        if _can_move(out):
            return LiveDisplay(out, err)
        if format == "live":
            write_line(err, "stdout is not a terminal that can redraw lines: showing plain rows")
    kinds = {"json": JsonLinesDisplay, "quiet": QuietDisplay}
    return kinds.get(format, PlainDisplay)(out, err)


def _can_move(stream: TextIO) -> bool:
    """Tell whether lines on the stream can be redrawn; FORCE_COLOR makes no pipe a terminal."""
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in _DUMB


PAUSE = 0.5
"""Least seconds between two pictures of the running epoch: each is sent to a browser."""


def in_notebook() -> bool:
    """Tell whether what is displayed goes to a notebook, and not to a terminal or a file."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class NotebookDisplay(PlainDisplay):
    """What a file would get is collected, and shown in place of what was shown before."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        super().__init__(self._text, self._text)
        self._place: Any = None
        self._drawn = 0.0

    def start(self, header: RunHeader) -> None:
        """Show what runs."""
        super().start(header)
        self._epochs = header.epochs
        self._draw()

    def progress(self, progress: Progress) -> None:
        """Show how far the running epoch is."""
        if time.monotonic() - self._drawn >= PAUSE:
            done = f"{one_line(progress.phase)} {progress.done}/{progress.total}"
            self._draw(f"epoch {progress.epoch} of {self._epochs}: {done}")

    def epoch(self, record: EpochRecord) -> None:
        """Add the epoch's row."""
        super().epoch(record)
        self._draw()

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Add what came of it."""
        super().finish(history, outcome)
        self._draw()

    def _draw(self, running: str = "") -> None:
        from IPython.display import display

        shown = {"text/plain": self._text.getvalue() + running}
        self._drawn = time.monotonic()
        if self._place is None:
            self._place = display(shown, raw=True, display_id=True)
        else:
            self._place.update(shown, raw=True)
