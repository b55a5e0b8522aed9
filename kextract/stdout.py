"""Standard output that is closed, or cannot be written to because its disk is full."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    sys.stdout = cast(TextIO, stdout)
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
    # Asked for here, since libraries that try out a stream swallow what it raises.
    if stdout.failure is not None:
        sys.exit(f"kextract: {stdout.failure}")


class _Stdout:
    """A stream as it is, but its failure is told from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: StdoutError | None = None

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
