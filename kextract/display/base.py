"""What every display is, a listener to the records of a run, and the aligned lines they share."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from kextract.records import (
    COLUMNS,
    NEXT,
    VERDICT,
    EpochRecord,
    Event,
    Note,
    Picture,
    Progress,
    best_epoch,
    column,
    in_ascii,
)
from kextract.stdout import results
from kextract.text import MISSING, decimals, duration, one_line

Outcome = Mapping[str, str | float | int]
"""What came of a run, by name; those of `FILES` are the path of the file that was written."""
FILES = ("checkpoint", "images")
GAP = "  "
STAR = "*"
SAID = (VERDICT, NEXT)
_PARTS_OF_TIME = ("synthesis_seconds", "student_seconds", "evaluation_seconds")
"""Columns that are all there or not at all: together they are the epoch's time."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is about to run."""

    title: str
    """What is trained: "student resnet11 of mnist-resnet11, adversarial noise"."""
    subtitle: str
    """How: "corrected recipe, 10 epochs of 30 updates of 32 images, bfloat16, seed 0"."""
    networks: tuple[str, ...] = field(default=(), kw_only=True)
    """Teacher and student, a line each: their size, and which images they take."""
    epochs: int
    """The number of the last epoch; epoch 0 comes before. 0 where there is only progress."""
    columns: tuple[str, ...]
    """Names from `COLUMNS`, in the order they are shown; none where there is only progress."""
    wide: tuple[str, ...] = field(default=(), kw_only=True)
    """What takes their place where there is room; none where the columns were requested."""
    command: str
    """The command line that makes this run again."""


class Display:
    """Shows a run: `start`, any number of `show`, `finish`; `close` whatever happens.

    What a display does not override it leaves out, but notes.

    Results go to `stdout`, notes to `stderr`. As a context manager it closes itself, on
    exceptions and on Ctrl-C too. A resumed run shows its earlier records first: the best of them
    is what the new ones have to beat.
    """

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.stdout = results() if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr

    def busy(self, text: str) -> None:
        """Say what is being done before the run starts."""

    def start(self, header: RunHeader) -> None:
        """Say what is about to run."""

    def show(self, event: Event) -> None:
        """Take what a loop yields."""
        match event:
            case Progress():
                self.progress(event)
            case EpochRecord():
                self.epoch(event)
            case Note():
                self.note(event.text)
            case Picture():
                self.picture(event)

    def progress(self, progress: Progress) -> None:
        """Take the state of the running epoch."""

    def picture(self, picture: Picture) -> None:
        """Take an image grid."""

    def epoch(self, record: EpochRecord) -> None:
        """Show a finished epoch."""

    def note(self, text: str) -> None:
        """Write one line of information to stderr."""
        write_line(self.stderr, one_line(text))

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Show what came of the run whose epochs are in `history`."""

    def close(self) -> None:
        """Give the terminal back as it was; may be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Tee(Display):
    """Passes everything on to all of its listeners, in the order in which they were given."""

    def __init__(self, first: Display, *others: Display) -> None:
        super().__init__(first.stdout, first.stderr)
        self._listeners = (first, *others)

    def busy(self, text: str) -> None:
        """Say it to all."""
        for listener in self._listeners:
            listener.busy(text)

    def start(self, header: RunHeader) -> None:
        """Start all."""
        for listener in self._listeners:
            listener.start(header)

    def show(self, event: Event) -> None:
        """Show the event to all."""
        for listener in self._listeners:
            listener.show(event)

    def note(self, text: str) -> None:
        """Give the note to all."""
        for listener in self._listeners:
            listener.note(text)

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Finish all."""
        for listener in self._listeners:
            listener.finish(history, outcome)

    def close(self) -> None:
        """Close all, also where closing one of them fails."""
        with ExitStack() as stack:
            for listener in self._listeners:
                stack.callback(listener.close)


def write_line(stream: TextIO, text: str) -> None:
    """Write one line and flush it, so that a killed job still shows it.

    Characters that the stream's encoding lacks become `?`: a table is never lost to a file name.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    line = text.encode(encoding, errors="replace").decode(encoding)
    stream.write(line + "\n")
    stream.flush()


def can_show(stream: TextIO, text: str) -> bool:
    """Tell whether the stream's encoding has all characters of the text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_terminal(stream: TextIO) -> bool:
    """Return whether the stream is a terminal; a closed one is not."""
    return not stream.closed and stream.isatty()


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
