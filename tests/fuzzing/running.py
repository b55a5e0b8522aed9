"""Reads damaged files by the thousand.

What is read, and how files are damaged, is up to a `Family`; the same seed makes the same files.
"""

import shutil
import struct
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from kextract.errors import KextractError

Files = dict[str, bytes]
"""Contents by path."""
Change = Callable[[Files, Random], object]
"""A change of files in place."""

SLOW = 2.0
"""Seconds of processor time that a file may take, whatever else the machine is doing."""
MEGABYTES = 200
"""How much a file may make the reader's memory grow."""
UNWRITABLE = (
    StopIteration,
    struct.error,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    OverflowError,
)
"""Raised where a change does not fit a file, or its format cannot be written; another is drawn."""


class Family(ABC):
    """Files of one kind, damaged by number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self.sound = self.make_sound(Path(name))

    @abstractmethod
    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        """Give the files of sound models or data sets, by a name; the first one has the entry."""

    @abstractmethod
    def changes(self) -> Sequence[Sequence[Change]]:
        """Give ways to damage them, in groups of which each is drawn as often as the others."""

    @abstractmethod
    def read_sound(self, path: Path, base: str) -> str:
        """Read a file as every command does; give what it is, such as "read"."""

    def allowed(self, base: str) -> set[str]:
        """Say what may become of damaged files of this base."""
        return {"refused", "read"}

    def get_ready(self) -> None:
        """Read what is sound, so that all that is imported late is there."""
        for base, files in self.sound.items():
            with tempfile.TemporaryDirectory() as name:
                self._write(files, Path(name), base)
                what, message = self.read()
                assert what in self.allowed(base) - {"refused"}, (base, what, message)

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        """Write damaged files `number` into a folder; give the names of base and change."""
        random = Random(f"{self._seed}-{number}")
        for _ in range(9):
            base = random.choice(sorted(self.sound))
            change, files = random.choice(random.choice(self.changes())), dict(self.sound[base])
            with np.errstate(all="ignore"), suppress(*UNWRITABLE):
                change(files, random)
                break
        self._write(files, folder, base)
        return base, getattr(change, "__name__", "?")

    def _write(self, files: Files, folder: Path, base: str) -> None:
        for old in folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        self._base, self._path = base, folder / next(iter(self.sound[base]))

    def read(self) -> tuple[str, str]:
        """Read the files made last; give what happened, and the message."""
        try:
            return self.read_sound(self._path, self._base), ""
        except KextractError as error:
            return "refused", str(error)
        except Exception as error:
            return type(error).__name__, repr(error)


class Outcome(NamedTuple):
    """What became of one damaged file."""

    number: int
    base: str
    change: str
    what: str
    """Such as "refused", "identical" or the name of an exception."""
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


def outcome_of(family: Family, number: int, base: str, change: str) -> Outcome:
    """Read the files that a family made last, and measure it."""
    forget_peak()
    before, started = megabytes("VmRSS"), time.process_time()
    what, message = family.read()
    seconds, grown = time.process_time() - started, megabytes("VmHWM") - before
    return Outcome(number, base, change, what, seconds, grown, message)


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def megabytes(name: str) -> float:
    """Read `VmRSS` (memory now) or `VmHWM` (its peak); `getrusage` gives the parent's peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def run(family: Family, count: int, first: int = 0) -> Report:
    """Read `count` damaged files and report."""
    report = Report(family.allowed)
    family.get_ready()
    with tempfile.TemporaryDirectory() as name:
        for number in range(first, first + count):
            report.add(outcome_of(family, number, *family.make(number, Path(name))))
    return report
