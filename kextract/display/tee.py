"""Several listeners to one run."""

from collections.abc import Sequence
from contextlib import ExitStack

from kextract.display.base import Display, Outcome, RunHeader
from kextract.records import EpochRecord, Event


class Tee(Display):
    """Passes everything on to all of its listeners, in the order in which they were given."""

    def __init__(self, first: Display, *others: Display) -> None:
        super().__init__(first.stdout, first.stderr)
        self._listeners = (first, *others)

    def start(self, header: RunHeader) -> None:
        """Start all."""
        for listener in self._listeners:
            listener.start(header)

    def show(self, event: Event) -> None:
        """Show the event to all."""
        for listener in self._listeners:
            listener.show(event)

    def epoch(self, record: EpochRecord) -> None:
        """Show the record to all."""
        self.show(record)

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
