"""The two lines that move below the epoch table, the run and its epoch, as Rich's bars."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from kextract.records import EpochRecord, Progress
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
