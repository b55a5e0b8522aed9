"""Runs the program, in this process or in one of its own, and says what came of it.

`kextract` is the usual way: it costs no start of TensorFlow. `kextract_process` is for what only a
process has: signals, pipes, a terminal, threads, encodings, the start itself.
"""

import io
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from unittest.mock import patch

from kextract.cli import main

OWN = "KEXTRACT_"
"""What the names of the program's own variables begin with."""
LONGEST = 1200
"""Seconds after which a process is given up."""


@dataclass(frozen=True)
class Finished:
    """What a run of the program left behind."""

    code: int
    stdout: str
    stderr: str

    def refusal(self) -> str:
        """Return the one line of a refused request, after checking that it is one."""
        assert self.code == 2, f"exit code {self.code}: {self.stderr}"
        assert self.stdout == ""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("kextract: ")
        return lines[0]


def kextract(*words: object, cwd: Path | None = None, **environment: str) -> Finished:
    """Run `kextract` with these words in this process, by nobody's settings but those given."""
    with _stream("strict") as stdout, _stream("backslashreplace") as stderr:
        code = exit_code(words, stdout, stderr, cwd, environment)
        return Finished(code, stdout.written(), stderr.written())


def kextract_acted_on(
    epoch: int, act: Callable[[], object], *words: object, cwd: Path | None = None
) -> Finished:
    """Run `kextract` in this process and act as soon as the row of an epoch is printed."""
    with _stream("strict") as stdout, _stream("backslashreplace") as stderr:
        stdout.at_row = (epoch, act)
        code = exit_code(words, stdout, stderr, cwd, {})
        return Finished(code, stdout.written(), stderr.written())


def kextract_process(*words: object, cwd: Path | None = None, **environment: str) -> Finished:
    """Run `kextract` with these words in a process of its own, which starts TensorFlow anew."""
    process = subprocess.run(
        [sys.executable, "-m", "kextract", *(str(word) for word in words)],
        cwd=cwd,
        env=_without_settings() | environment,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return Finished(process.returncode, process.stdout, process.stderr)


def exit_code(
    words: Iterable[object],
    stdout: TextIO,
    stderr: TextIO,
    cwd: Path | None,
    environment: dict[str, str],
) -> int:
    """Run `kextract` in this process with streams of one's own, and return its exit code.

    Any exception but that of leaving is for the test to see.
    """
    with (
        _surroundings([str(word) for word in words], cwd, environment),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as left:
            assert left.code is None or isinstance(left.code, int), left.code
            return left.code or 0
    raise AssertionError("the program came back")


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN)}


@contextmanager
def _surroundings(
    arguments: Sequence[str], cwd: Path | None, environment: dict[str, str]
) -> Iterator[None]:
    """Give the program its folder, variables and command line, and take them back."""
    variables = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    requested = _without_settings() | environment
    try:
        _set_environment(requested)
        # It remembers the proxies of its first use.
        urllib.request.install_opener(None)
        with (
            chdir(Path.cwd() if cwd is None else cwd),
            patch.object(sys, "argv", ["kextract", *arguments]),
        ):
            yield
    finally:
        _set_environment(variables)
        # A run that was stopped leaves none: it has only to leave.
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _set_environment(variables: dict[str, str]) -> None:
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)


class _Stream(io.TextIOWrapper):
    """Stands for stdout or stderr: a real file, encoded as a pipe is."""

    at_row: tuple[int, Callable[[], object]] | None = None

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.at_row is not None and text.split()[:1] == [str(self.at_row[0])]:
            act = self.at_row[1]
            self.at_row = None
            act()
        return count

    def written(self) -> str:
        self.flush()
        return os.pread(self.fileno(), os.fstat(self.fileno()).st_size, 0).decode()


@contextmanager
def _stream(errors: str) -> Iterator[_Stream]:
    with tempfile.TemporaryFile() as file, _Stream(file, "utf-8", errors, newline="\n") as stream:
        yield stream
