"""Expected failures become one line on stderr and an exit code, and so do Ctrl-C and SIGTERM.

The first signal ends a command in good order, a second one at once.
"""

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec

import typer

from kextract.errors import KextractError
from kextract.stdout import results

P = ParamSpec("P")
INTERRUPTED, TERMINATED = 130, 143
SAME_PRESS = 0.5
"""Seconds within which a second signal is taken for the first: `timeout` sends each twice."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h\n"


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; cleans up as Ctrl-C does."""


class _FirstOnly:
    """A handler that raises once: nothing may break into the cleaning up that follows."""

    def __init__(self) -> None:
        self.raised_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.raised_at is None:
            self.raised_at = time.monotonic()
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def outwait(self) -> None:
        """Stay until what still arrives is no longer the signal that was raised."""
        if self.raised_at is not None:
            time.sleep(max(0.0, self.raised_at + SAME_PRESS - time.monotonic()))


@contextmanager
def stoppable() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM in the block raise, and a second one end the process.

    Python's handlers wait until compiled code returns, which takes seconds where noise is crafted.
    So a thread reads along which signals arrive, to act on the second whatever is being computed.
    Within another such block, and off the main thread, nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or isinstance(signal.getsignal(signal.SIGTERM), _FirstOnly):
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = _FirstOnly()
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        handler.outwait()
        signal.set_wakeup_fd(wakeup)
        for number, previous in before.items():
            # What is left to do after a stop is only to leave.
            signal.signal(number, previous if handler.raised_at is None else signal.SIG_DFL)
        os.close(writer)


def _watch(reader: int) -> None:
    """End the process at the second signal; return when the other end of the pipe is closed."""
    first: float | None = None
    while arrived := os.read(reader, 1):
        if arrived[0] not in _SIGNALS:
            continue
        if first is None:
            first = time.monotonic()
        elif time.monotonic() - first > SAME_PRESS:
            _end(arrived[0])
    os.close(reader)


def _end(number: int) -> None:
    if results().isatty():
        os.write(results().fileno(), _SHOW_CURSOR)
    os._exit(TERMINATED if number == signal.SIGTERM else INTERRUPTED)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command: errors of ours become one line and their exit code.

    With `debug=True` among its arguments the traceback is shown instead.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with stoppable():
            try:
                command(*args, **kwargs)
                sys.stdout.flush()
            except KextractError as error:
                if kwargs.get("debug"):
                    raise
                _fail(str(error), error.exit_code)
            except Terminated as stop:
                _fail(f"terminated; {_kept(stop)}", TERMINATED)
            except KeyboardInterrupt as stop:
                _fail(f"interrupted; {_kept(stop)}", INTERRUPTED)
            except BrokenPipeError:
                # The reader of our output went away, as `head` does; no line can reach it.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(1) from None

    return run


def _kept(stop: KeyboardInterrupt) -> str:
    """Say what is kept of the work: runs put it into the exception that stopped them."""
    return str(stop) or "nothing was written"


def _fail(message: str, code: int) -> None:
    # A file's name may hold line breaks, or codes that a terminal would obey.
    from kextract.text import one_line

    print(f"kextract: {one_line(message)}", file=sys.stderr)
    raise typer.Exit(code)
