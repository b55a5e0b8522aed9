"""What every display is, a listener to the records of a run, and how it writes to a stream."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from kextract.columns import column
from kextract.records import EpochRecord, Event, Note, Picture, Progress
from kextract.stdout import results
from kextract.text import one_line

Outcome = Mapping[str, str | float | int]
"""What came of a run, by name; those of `FILES` are the path of the file that was written."""
FILES = ("checkpoint", "images")
VERDICT, NEXT = "verdict", "next"
"""What is said of it in sentences, and the command to type next."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is about to run; raises UnknownNameError for a column that is in no registry."""

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

    def __post_init__(self) -> None:
        for name in (*self.columns, *self.wide):
            column(name)


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
