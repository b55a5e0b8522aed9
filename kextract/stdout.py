"""Standard output: for results alone, and closed, or full, it ends the program in one line."""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from kextract.errors import StorageError


class StdoutError(StorageError):
    """Stdout cannot be written to."""


@contextmanager
def usable_stdout() -> Iterator[None]:
    """Run the program with a stdout whose failure ends it in one line and exit code 1.

    Inside, writing raises StdoutError, or BrokenPipeError where the reader went away, as `head`
    does.
    """
    if sys.stdout is None:  # closed; what is opened next would become it
        sys.exit("kextract: stdout is closed: send it to a file, or to /dev/null")
    before, stdout = sys.stdout, _Stdout(sys.stdout)
    sys.stdout = cast(TextIO, _Shared(stdout))
    try:
        try:
            yield
        finally:
            stdout.flush()
    except SystemExit as end:
        if end.code or stdout.failure is None:
            raise
    except StdoutError:
        pass
    finally:
        sys.stdout = before
        stdout.give_back()
    # Asked for here, since libraries that try out a stream swallow what it raises.
    if stdout.failure is not None:
        sys.exit(f"kextract: {stdout.failure}")


def results() -> TextIO:
    """Return the stream for results, also to threads whose own prints go to stderr."""
    return cast(TextIO, getattr(sys.stdout, "results", sys.stdout))


@contextmanager
def results_alone() -> Iterator[None]:
    """Import the user's code in the block; what it writes, then and later, goes to stderr.

    Its prints do, if it is called in threads of its own, and what native code and processes of its
    own write to the descriptor of stdout. Outside of `usable_stdout` nothing changes.
    """
    if not isinstance(sys.stdout, _Shared):
        yield
        return
    sys.stdout.results.leave_descriptor()
    with redirect_stdout(sys.stderr):
        yield


class _Shared:
    """Stands for stdout: the results' own in the thread of the program, stderr in all others."""

    def __init__(self, results: "_Stdout") -> None:
        self.results = results
        self._thread = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        ours = threading.get_ident() == self._thread
        return getattr(self.results if ours else sys.stderr, name)


class _Stdout:
    """A stream as it is, but its failure is told from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = self._given = stream
        self.failure: StdoutError | None = None

    def leave_descriptor(self) -> None:
        """Write to a descriptor of our own from here on, and let that of stdout lead to stderr."""
        if self._stream is not self._given or self._given is not sys.__stdout__:
            return
        self._stream.flush()
        own = os.dup(self._given.fileno())
        try:
            os.dup2(2, self._given.fileno())
        except OSError:  # There is no stderr.
            os.close(own)
            return
        self._stream = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(own, "w")),
            encoding=self._given.encoding,
            errors=self._given.errors,
            line_buffering=True,
        )

    def give_back(self) -> None:
        """Let the descriptor of stdout be what it was."""
        if self._stream is not self._given:
            os.dup2(self._stream.fileno(), self._given.fileno())
            self._stream.close()
            self._stream = self._given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._failing_once():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._failing_once():
            self._stream.flush()

    @contextmanager
    def _failing_once(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is left in buffers would fail once more when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self.failure = StdoutError(f"cannot write to stdout: {error.strerror}")
            raise self.failure from error
