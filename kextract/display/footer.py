"""The two moving lines below the epoch table: the running epoch and the run."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kextract.display.pace import Clock, Pace, RunState
from kextract.records import EpochRecord
from kextract.text import decimals, one_line, time_left

_SPARE = 4
"""Columns left free, or the `^C` that a terminal echoes would wrap and break the picture."""
_GAP = 2
_LABEL, _COUNT, _LEFT = 14, 7, 11
_BAR_MIN, _BAR_MAX = 6, 40
_RUN_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a label, how far it is, what else there is to say, the time left."""

    label: str
    done: int
    total: int | None
    """None where the end is not known: the bar then only pulses."""
    count: str
    bodies: tuple[str, str, str]
    """What else there is to say: in full, shorter, and not at all."""
    left: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What fits a width: 0 leaves a part out."""

    label: int
    bar: int
    count: int
    body: int
    left: int
    variant: int
    """Which of a line's bodies is shown."""


class Footer:
    """Draws itself at the width of the console each time it is asked; always two lines high.

    A height that changed could leave pieces of the old picture behind while rows are printed
    above from another thread.
    """

    def __init__(self, epochs: int, pace: Pace, clock: Clock) -> None:
        self._epochs = epochs
        self._pace = pace
        self._clock = clock
        self._count = _COUNT
        self._ended: int | None = None
        self._best: EpochRecord | None = None

    def end_epoch(self, record: EpochRecord, best: EpochRecord | None) -> None:
        """Take a finished epoch and the best one so far."""
        self._ended = record.epoch
        self._best = best

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the two lines."""
        # Read once: the training loop replaces it from another thread.
        state = self._pace.state
        lines = [self._epoch_line(state), self._run_line(state)]
        # Bars must not jump as phases of 8 and of 1,688 steps take turns: never narrower again.
        self._count = max(self._count, *(len(line.count) for line in lines))
        layout = fit(lines, self._count, options.max_width - _SPARE)
        yield _grid(lines, layout)

    def _epoch_line(self, state: RunState | None) -> Line:
        if state is None:
            label = "starting" if self._ended is None else "working"
            return Line(label, 0, None, "", ("", "", ""), "")
        progress = state.progress
        speed, loss = _speed(state.images_per_second), _loss(state.loss)
        return Line(
            one_line(progress.phase),
            progress.done,
            progress.total,
            f"{progress.done}/{progress.total}",
            (f"{speed}  {loss}", loss, ""),
            self._left(state.epoch_left, state),
        )

    def _run_line(self, state: RunState | None) -> Line:
        ended = self._ended or 0
        epoch = ended if state is None else state.progress.epoch
        share = state.share if state is not None and epoch > 0 else 0.0
        done = (ended + share) / max(self._epochs, 1)
        return Line(
            f"epoch {epoch}/{self._epochs}" if self._epochs else "in all",
            round(done * _RUN_STEPS),
            _RUN_STEPS,
            f"{done:.0%}",
            _best_bodies(self._best),
            "" if state is None else self._left(state.run_left, state),
        )

    def _left(self, seconds: float | None, state: RunState) -> str:
        if seconds is None:
            return ""
        return f"{time_left(max(seconds - (self._clock() - state.time), 0.0))} left"


def _speed(images: float | None) -> str:
    if images is None:
        return " " * len("12345 img/s")
    return f"{images:>5.{0 if images >= 10 else 1}f} img/s"


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"loss {decimals(loss, 4, 8):>7}"


def _best_bodies(best: EpochRecord | None) -> tuple[str, str, str]:
    if best is None or best.accuracy is None:
        return ("", "", "")
    accuracy = f"best {best.accuracy:.4f}"
    return (f"{accuracy}, epoch {best.epoch}", accuracy, "")


def fit(lines: list[Line], count: int, width: int) -> Layout:
    """Choose what to show in `width` characters; what matters least goes first.

    That is the speed, then the loss, then the bar, the time left, and last the count.
    """
    for variant in range(3):
        body = max(len(line.bodies[variant]) for line in lines)
        parts = (_LABEL, count, body, _LEFT)
        bar = width - sum(part + _GAP for part in parts if part)
        if bar >= _BAR_MIN:
            return Layout(_LABEL, min(bar, _BAR_MAX), count, body, _LEFT, variant)
    left = _LEFT if width >= _LABEL + count + _LEFT + 2 * _GAP else 0
    count = count if width >= _BAR_MIN + _GAP + count else 0
    label = width - count - _GAP if count else width
    return Layout(max(min(label, _LABEL), 1), 0, count, 0, left, 2)


def _grid(lines: list[Line], layout: Layout) -> Table:
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    parts = (layout.label, layout.bar, layout.count, layout.body, layout.left)
    for width in filter(None, parts):
        grid.add_column(width=width, no_wrap=True, overflow="crop")
    for line in lines:
        cells: tuple[RenderableType, ...] = (
            Text(line.label),
            _bar(line, layout.bar),
            Text(line.count, justify="right"),
            Text(line.bodies[layout.variant]),
            Text(line.left, justify="right"),
        )
        grid.add_row(*(cell for cell, width in zip(cells, parts, strict=True) if width))
    return grid


def _bar(line: Line, width: int) -> ProgressBar:
    return ProgressBar(
        line.total,
        line.done,
        width,
        complete_style="cyan",
        finished_style="cyan",
        pulse_style="cyan",
    )
