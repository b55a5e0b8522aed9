"""Turns expected failures and interruptions into one line on stderr and an exit code."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from kextract.cli.signals import INTERRUPTED, TERMINATED, Terminated, stoppable
from kextract.errors import KextractError

P = ParamSpec("P")


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
