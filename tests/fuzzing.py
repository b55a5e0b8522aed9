"""Reads damaged files by the thousand, each in a child process.

So a crash or a hang of a library in C is counted and not suffered. What is read, and how files are
damaged, is up to a `Family`; the same seed makes the same files.
"""

import argparse
import multiprocessing as mp
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Protocol

SECONDS = 60.0
"""Longer than this is called a hang, whatever else the machine is doing."""
SLOW = 2.0
"""Seconds of processor time that a file may take, whatever else the machine is doing."""
MEGABYTES = 200
"""How much a file may make the reader's memory grow."""


class Family(Protocol):
    """Files of one kind, damaged by number; goes to the child as a pickle."""

    def get_ready(self) -> None:
        """Import and do what is not to be counted in the first file's time."""

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        """Write damaged file `number` into the folder; give the names of base and mutation."""

    def read(self) -> tuple[str, str]:
        """Read the file made last as every command does; give what happened, and the message."""

    def allowed(self, base: str) -> set[str]:
        """Say what may happen to damaged files of this base, such as "refused"."""


class Outcome(NamedTuple):
    """What became of one damaged file."""

    number: int
    base: str
    mutation: str
    what: str
    """Such as "refused", "identical", "crash", "hang" or the name of an exception."""
    seconds: float = 0.0
    megabytes: float = 0.0
    message: str = ""


@dataclass
class Report:
    """The outcomes, counted."""

    allowed: Callable[[str], set[str]]
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)
    slowest: float = 0.0
    largest: float = 0.0

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.base, outcome.what] += 1
        self.slowest = max(self.slowest, outcome.seconds)
        self.largest = max(self.largest, outcome.megabytes)
        if not self._is_good(outcome):
            self.failures.append(outcome)

    def _is_good(self, outcome: Outcome) -> bool:
        fits = outcome.seconds < SLOW and outcome.megabytes < MEGABYTES
        one_line = outcome.message.isprintable()
        return outcome.what in self.allowed(outcome.base) and fits and one_line


def _child(connection: Connection, family: Family, folder: Path) -> None:
    family.get_ready()
    while True:
        number = connection.recv()
        base, mutation = family.make(number, folder)
        connection.send("made")
        forget_peak()
        before, started = megabytes("VmRSS"), time.process_time()
        what, message = family.read()
        seconds, grown = time.process_time() - started, megabytes("VmHWM") - before
        connection.send(Outcome(number, base, mutation, what, seconds, grown, message))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def megabytes(name: str) -> float:
    """Read `VmRSS` (memory now) or `VmHWM` (its peak); `getrusage` gives the parent's peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


class _Reader:
    """A child process that reads damaged files; started again when it dies."""

    def __init__(self, family: Family, folder: Path) -> None:
        self._family, self._folder = family, folder
        self._start()

    def _start(self) -> None:
        self._ours, theirs = mp.Pipe()
        context = mp.get_context("spawn")
        arguments = (theirs, self._family, self._folder)
        self._process = context.Process(target=_child, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def read(self, number: int) -> Outcome:
        self._ours.send(number)
        try:
            self._ours.recv()
            if self._ours.poll(SECONDS):
                outcome: Outcome = self._ours.recv()
                return outcome
            what = "hang"
        except EOFError:
            what = "crash"
        self.stop()
        self._start()
        with tempfile.TemporaryDirectory() as name:
            return Outcome(number, *self._family.make(number, Path(name)), what)

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._ours.close()


def run(family: Family, count: int, first: int = 0) -> Report:
    """Read `count` damaged files and report."""
    report = Report(family.allowed)
    with tempfile.TemporaryDirectory() as name:
        reader = _Reader(family, Path(name))
        try:
            for number in range(first, first + count):
                report.add(reader.read(number))
        finally:
            reader.stop()
    return report


def main(make_family: Callable[[int], Family], description: str) -> int:
    """Run as a program: take the options, print the counts and whatever failed."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="files to read")
    parser.add_argument("--seed", type=int, default=0, help="makes other files")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    options = parser.parse_args()
    started = time.monotonic()
    report = run(make_family(options.seed), options.count, options.first)
    for (base, what), count in sorted(report.counts.items()):
        print(f"{base:16}{what:16}{count:8}")
    print(f"slowest {report.slowest:.3f} s, most memory {report.largest:.0f} MB")
    print(f"{options.count} files in {time.monotonic() - started:.0f} s")
    for failure in report.failures:
        print("FAILED", failure)
    return 1 if report.failures else 0
