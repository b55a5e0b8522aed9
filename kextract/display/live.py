"""A table that grows on a terminal, with the running epoch moving below it.

Finished epochs are printed for good, above the moving lines, so they scroll away like any other
output: a Rich table inside the moving part would hide its newest rows once it is taller than the
terminal, and would be gone from the scrollback.
"""

import textwrap
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.status import Status
from rich.table import Column
from rich.text import Text

from kextract.display.base import (
    GAP,
    Display,
    EpochRows,
    Outcome,
    RunHeader,
    can_show,
    closing_lines,
    fitting,
    is_terminal,
    last_lines,
)
from kextract.records import BARS, EpochRecord, Progress
from kextract.text import decimals, one_line, time_left

Clock = Callable[[], float]
"""Seconds from an arbitrary start, never going back."""

REFRESHES = 8
"""Drawings a second: smooth enough to watch, too few to flicker or to cost the training."""
WINDOW = 300.0
"""Seconds over which a speed is averaged: phases take turns, and a validation ends an epoch."""
COUNTED = ("training", "teaching")
"""The phases whose steps make up an epoch; others come before, between or after them."""
_RESOLUTION = 0.1
"""Seconds between two readings: of thousands a second Rich would remember the last second's."""
_SPARE = 4
"""Columns left free, or the `^C` that a terminal echoes would wrap and break the picture."""
_LABEL, _COUNT, _NOTE, _LEFT, _BAR = 14, 11, 25, 11, 40
WIDE = 120
"""Characters from which on a table shows all that is known of an epoch."""


class MovingLines:
    """Shows how far the epoch and the run are, how fast, and the time left.

    Each phase has a bar of its own, of which the latest is seen: phases that take turns are as fast
    as all of them together.
    """

    def __init__(
        self,
        console: Console,
        epochs: int,
        clock: Clock = time.monotonic,
        *,
        redirect_stderr: bool = False,
    ) -> None:
        self._epochs = epochs
        self._clock = clock
        self._bars = Bars(
            *_columns(console.width - _SPARE),
            console=console,
            refresh_per_second=REFRESHES,
            speed_estimate_period=WINDOW,
            transient=True,
            redirect_stdout=False,  # what others print does not go there
            redirect_stderr=redirect_stderr,
            get_time=clock,
        )
        self._run = self._add(f"epoch 0/{epochs}", epochs) if epochs else None
        # A height that changed could leave pieces of the old picture behind: there is one always.
        self._phases = {"": self._add("starting", None)}
        self._ended = 0
        self._loss = ""
        self._read = float("-inf")

    def start(self) -> None:
        """Show the lines."""
        self._bars.start()

    def stop(self) -> None:
        """Take the lines away."""
        self._bars.stop()

    def add(self, progress: Progress) -> None:
        """Take where the running epoch stands."""
        phase, now = one_line(progress.phase), self._clock()
        if phase not in self._phases:
            self._phases[phase] = self._add(phase, progress.total)
        elif now - self._read < _RESOLUTION and progress.done < progress.total:
            return
        self._read = now
        if progress.loss is not None:
            self._loss = f"loss {decimals(progress.loss, 4, 7)}"
        task = self._phases[phase]
        self._bars.update(task, completed=progress.done, total=progress.total)
        self._bars.update(
            task,
            count=f"{progress.done}/{progress.total}",
            note=f"{_speed(self._task(task), progress):11}  {self._loss}",
        )
        for other in self._phases.values():
            self._bars.update(other, visible=other == task)
        if self._run is not None and progress.epoch > 0:
            share = progress.done / max(progress.total, 1) if phase in COUNTED else 0.0
            self._show_run(progress.epoch, self._ended + share)

    def end_epoch(self, record: EpochRecord, best: EpochRecord | None) -> None:
        """Take a finished epoch and the best one so far."""
        self._ended, self._loss = record.epoch, ""
        for task in self._phases.values():
            self._bars.remove_task(task)
        self._phases = {"": self._add("working", None)}
        if self._run is not None:
            if best is not None and best.accuracy is not None:
                note = f"best {best.accuracy:.4f}, epoch {best.epoch}"
                self._bars.update(self._run, note=note)
            self._show_run(record.epoch, record.epoch)

    def __rich__(self) -> object:
        """Return what is drawn."""
        return self._bars.get_renderable()

    def _add(self, label: str, total: float | None) -> TaskID:
        return self._bars.add_task(label, total=total, count="", note="")

    def _task(self, task: TaskID) -> Task:
        return next(each for each in self._bars.tasks if each.id == task)

    def _show_run(self, epoch: int, done: float) -> None:
        assert self._run is not None, "the caller knows"
        # A phase that is not counted takes nothing back.
        done = max(done, self._task(self._run).completed)
        self._bars.update(
            self._run,
            completed=done,
            description=f"epoch {epoch}/{self._epochs}",
            count=f"{done / self._epochs:.0%}",
        )


def _speed(task: Task, progress: Progress) -> str:
    if not task.speed or not progress.done:
        return ""
    images = task.speed * progress.images / progress.done
    return f"{images:>5.{0 if images >= 10 else 1}f} img/s"


class _TimeLeft(ProgressColumn):
    """The time left of a task, where anything has moved."""

    def render(self, task: Task) -> Text:
        """Write it for people."""
        left = task.time_remaining
        return Text("" if left is None else f"{time_left(left)} left", justify="right")


def _columns(width: int) -> list[ProgressColumn]:
    """Choose what fits; what matters least goes first: the note, the bar, the time, the count."""

    def text(template: str, most: int, *, right: bool = False) -> ProgressColumn:
        column = Column(width=most, no_wrap=True, overflow="crop")
        return TextColumn(
            template, justify="right" if right else "left", markup=False, table_column=column
        )

    label = text("{task.description}", max(min(width, _LABEL), 1))
    count = text("{task.fields[count]}", _COUNT, right=True)
    note = text("{task.fields[note]}", _NOTE)
    left = _TimeLeft(table_column=Column(width=_LEFT, no_wrap=True, overflow="crop"))
    bar = width - _LABEL - _COUNT - _NOTE - _LEFT - 4
    if bar >= 6:
        return [label, _bar(min(bar, _BAR)), count, note, left]
    bar = width - _LABEL - _COUNT - _LEFT - 3
    if bar >= 6:
        return [label, _bar(bar), count, left]
    if width >= _LABEL + _COUNT + _LEFT + 2:
        return [label, count, left]
    return [label, count] if width >= _LABEL + _COUNT + 1 else [label]


def _bar(width: int) -> BarColumn:
    return BarColumn(width, complete_style="cyan", finished_style="cyan", pulse_style="cyan")


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
            self._console, header.epochs, self._clock, redirect_stderr=is_terminal(self.stderr)
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
            # Unlike Rich, this keeps a path whole that is longer than a line.
            lines = textwrap.wrap(
                one_line(text),
                self._console.width,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for line in lines:
                self._print(Text(line))
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
