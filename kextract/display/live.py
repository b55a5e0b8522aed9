"""A table that grows on a terminal, with the running epoch moving below it.

Finished epochs are printed for good, above the moving lines, so they scroll away like any other
output: a Rich table inside the moving part would hide its newest rows once it is taller than the
terminal, and would be gone from the scrollback.
"""

import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from kextract.columns import BARS, column
from kextract.display.base import Display, Outcome, RunHeader, can_show, is_terminal
from kextract.display.moving import Clock, MovingLines
from kextract.display.rows import (
    BEST,
    GAP,
    STAR,
    EpochRows,
    Row,
    closing_lines,
    fitting,
    folded,
    last_lines,
)
from kextract.records import EpochRecord, Progress
from kextract.text import one_line


class LiveDisplay(Display):
    """For a person at a terminal; `stdout` must be one.

    The training loop only leaves its latest progress here; a thread of Rich's draws it.
    """

    def __init__(
        self,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(stdout, stderr)
        self._clock = clock
        # That it is a terminal was seen on the stream itself; no variable may deny it.
        self._console = Console(
            file=self.stdout, force_terminal=True, highlight=False, markup=False, emoji=False
        )
        self._rows = EpochRows(())
        self._moving: MovingLines | None = None
        self._has_table = True

    def start(self, header: RunHeader) -> None:
        """Print title and column names once, and start the moving lines."""
        self.close()
        shown = fitting(header.columns, self._console.width)
        self._rows = EpochRows(shown, ascii_only=not can_show(self.stdout, BARS))
        self._print_header(header, shown)
        self._moving = MovingLines(
            self._console,
            header.epochs,
            self._clock,
            redirect_stderr=is_terminal(self.stderr),
        )
        self._moving.start()

    def progress(self, progress: Progress) -> None:
        """Leave the progress for the next drawing."""
        if self._moving is not None:
            self._moving.add(progress)

    def epoch(self, record: EpochRecord) -> None:
        """Print the epoch's row above the moving lines."""
        row = self._rows.row(record)
        if self._moving is not None:
            self._moving.end_epoch(record, self._rows.best)
        self._console.print(_styled(row), no_wrap=True, overflow="crop", crop=True)

    def note(self, text: str) -> None:
        """Write to stderr; above the moving lines where both share the terminal."""
        if self._moving is not None and is_terminal(self.stderr):
            self._print(Text(one_line(text)))
        else:
            super().note(text)

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Take the moving lines away and print the closing summary below the table."""
        self.close()
        lines = closing_lines(history, outcome)
        if lines and self._has_table:
            self._print(Text())
        for label, parts in lines:
            style = "bold" if label.strip() == BEST else ""
            start = f"{label}{GAP}"
            for text in folded(parts, self._console.width - len(start)):
                self._print(Text.assemble((start, "dim"), (text, style)))
                start = " " * len(start)
        if said := last_lines(outcome):
            self._console.print()
            self._console.print(Text(said[0], "bold"))
            for command in said[1:]:
                self._print(Text(command))

    def close(self) -> None:
        """Take the moving lines away and show the cursor."""
        moving, self._moving = self._moving, None
        if moving is None:
            return
        try:
            moving.stop()
        finally:
            # A second Ctrl-C may come while Rich is cleaning up after the first.
            self._console.show_cursor(True)

    def _print_header(self, header: RunHeader, shown: Sequence[str]) -> None:
        self._console.print(Text(one_line(header.title), "bold"))
        if header.subtitle:
            self._console.print(Text(one_line(header.subtitle), "dim"))
        hidden = [column(name).header for name in header.columns if name not in shown]
        if hidden:
            self._console.print(Text(f"too narrow for: {', '.join(hidden)}", "dim"))
        self._has_table = bool(shown)
        if not self._has_table:
            return
        self._console.print()
        header_row = Text(self._rows.header(), "cyan")
        self._console.print(header_row, no_wrap=True, overflow="crop", crop=True)

    def _print(self, text: Text) -> None:
        """Print a line that the terminal may wrap: a path must stay whole to be copied."""
        self._console.print(text, soft_wrap=True)


def _styled(row: Row) -> Text:
    if not row.better:
        return Text(row.text)
    return Text.assemble((row.text, "bold"), GAP, (STAR, "bold green"))
