"""A table that grows on a terminal, with the running epoch moving below it.

Finished epochs are printed for good, above the moving lines, so they scroll away like any other
output: a Rich table inside the moving part would hide its newest rows once it is taller than the
terminal, and would be gone from the scrollback.
"""

import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from kextract.columns import BARS
from kextract.display.base import Display, Outcome, RunHeader, can_show, is_terminal
from kextract.display.moving import Clock, MovingLines
from kextract.display.rows import (
    GAP,
    EpochRows,
    closing_lines,
    fitting,
    last_lines,
)
from kextract.records import EpochRecord, Progress
from kextract.text import one_line

WIDE = 120
"""Characters from which on a table shows all that is known of an epoch."""


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
        self._status: Status | None = None
        self._has_table = False

    def busy(self, text: str) -> None:
        """Let something move before the run starts."""
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        self._status.update(Text(text))

    def start(self, header: RunHeader) -> None:
        """Print title and networks, and start the moving lines; the table comes with its rows."""
        self.close()
        names = header.wide if self._console.width >= WIDE and header.wide else header.columns
        shown = fitting(names, self._console.width)
        self._rows = EpochRows(shown, ascii_only=not can_show(self.stdout, BARS))
        self._has_table = False
        self._console.print(Text(one_line(header.title), "bold"))
        for line in (*header.networks, header.subtitle):
            if line:
                self._console.print(Text(one_line(line), "dim"))
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
        if not self._has_table:
            self._print_column_names()
        row, star = self._rows.row(record)
        if self._moving is not None:
            self._moving.end_epoch(record, self._rows.best)
        line = Text.assemble((row, "bold" if star else ""), (star, "bold green"))
        self._console.print(line, no_wrap=True, overflow="crop", crop=True)

    def note(self, text: str) -> None:
        """Write to stderr; above the moving lines where both share the terminal."""
        if (self._moving or self._status) and is_terminal(self.stderr):
            self._print(Text(one_line(text)))
        else:
            super().note(text)

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Take the moving lines away and print the closing summary below the table."""
        self.close()
        lines = closing_lines(history, outcome)
        if lines and self._has_table:
            self._print(Text())
        for label, text in lines:
            self._print(Text.assemble((f"{label}{GAP}", "dim"), text))
        if said := last_lines(outcome):
            self._console.print()
            self._console.print(Text(said[0], "bold"))
            for command in said[1:]:
                self._print(Text(command))

    def close(self) -> None:
        """Take the moving lines away and show the cursor."""
        moving, self._moving, self._status = self._moving or self._status, None, None
        if moving is None:
            return
        try:
            moving.stop()
        finally:
            # A second Ctrl-C may come while Rich is cleaning up after the first.
            self._console.show_cursor(True)

    def _print_column_names(self) -> None:
        self._has_table = True
        if legend := self._rows.legend():
            self._console.print(Text(legend, "dim"))
        self._console.print()
        header_row = Text(self._rows.header(), "cyan")
        self._console.print(header_row, no_wrap=True, overflow="crop", crop=True)

    def _print(self, text: Text) -> None:
        """Print a line that the terminal may wrap: a path must stay whole to be copied."""
        self._console.print(text, soft_wrap=True)
