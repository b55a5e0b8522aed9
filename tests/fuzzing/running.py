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

    def make(self, number: int, folder: Path) -> str:
        """Write damaged files `number` into a folder; give the name of their base."""
        random = Random(f"{self._seed}-{number}")
        for _ in range(9):
            base = random.choice(sorted(self.sound))
            change, files = random.choice(random.choice(self.changes())), dict(self.sound[base])
            with np.errstate(all="ignore"), suppress(*UNWRITABLE):
                change(files, random)
                break
        self._write(files, folder, base)
        return base

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


@dataclass
class Report:
    """What became of damaged files: how many of which base, and what should not have happened."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By base and what they are, such as "refused" or the name of an exception."""
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    largest: float = 0.0


def run(family: Family, count: int, first: int = 0) -> Report:
    """Read `count` damaged files and report."""
    report = Report()
    family.get_ready()
    with tempfile.TemporaryDirectory() as name:
        for number in range(first, first + count):
            base = family.make(number, Path(name))
            forget_peak()
            before, started = megabytes("VmRSS"), time.process_time()
            what, message = family.read()
            seconds, grown = time.process_time() - started, megabytes("VmHWM") - before
            report.counts[base, what] += 1
            report.slowest, report.largest = (
                max(report.slowest, seconds),
                max(report.largest, grown),
            )
            fits = seconds < SLOW and grown < MEGABYTES and message.isprintable()
            if not fits or what not in family.allowed(base):
                told = f"{seconds:.1f} s, {grown:.0f} MB: {message!r}"
                report.failures.append(f"{number}, {base}: {what} in {told}")
    return report


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def megabytes(name: str) -> float:
    """Read `VmRSS` (memory now) or `VmHWM` (its peak); `getrusage` gives the parent's peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024
