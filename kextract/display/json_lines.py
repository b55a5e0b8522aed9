"""One JSON object a line on stdout and nothing else, for programs that read along."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kextract.display.base import Display, Outcome, RunHeader, write_line
from kextract.records import EpochRecord, best_epoch
from kextract.text import json_text


class JsonLinesDisplay(Display):
    """Events "start" (the header), "epoch" (the record) and "end" (best, last, outcome).

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
