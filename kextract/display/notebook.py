"""A run in a notebook: plain rows in one place of its cell, with the running epoch below them."""

import io
import sys
import time
from collections.abc import Sequence
from typing import Any

from kextract.display.base import Outcome, RunHeader
from kextract.display.formats import PlainDisplay
from kextract.records import EpochRecord, Progress
from kextract.text import one_line

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
