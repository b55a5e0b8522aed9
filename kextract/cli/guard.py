"""Turns expected failures and interruptions into one line on stderr and an exit code."""

import functools
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

import typer

from kextract.errors import KextractError

P = ParamSpec("P")

INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; cleans up as Ctrl-C does."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command: errors of ours become one line and their exit code.

    With `debug=True` among its arguments the traceback is shown instead.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        signal.signal(signal.SIGTERM, _terminate)
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except KextractError as error:
            if kwargs.get("debug"):
                raise
            _fail(str(error), error.exit_code)
        except Terminated:
            _fail("terminated; nothing was written", TERMINATED)
        except KeyboardInterrupt:
            _fail("interrupted; nothing was written", INTERRUPTED)
        except BrokenPipeError:
            # The reader of our output went away, as `head` does; there is nobody left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None

    return run


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _fail(message: str, code: int) -> None:
    one_line = " ".join(message.split())
    print(f"kextract: {one_line}", file=sys.stderr)
    raise typer.Exit(code)
