"""A terminal to run programs in: a real pseudo-terminal read by an emulator with scrollback."""

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

ROOT = Path(__file__).parents[2]


def environment(**changes: str) -> dict[str, str]:
    """The surroundings of a person at a terminal, whatever this test runs in."""
    decided = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    kept = {name: value for name, value in os.environ.items() if name not in decided}
    return {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **changes}


@dataclass
class Shown:
    lines: list[str]
    """Scrollback and screen, from the top, without trailing blanks."""
    bold: list[str]
    """The lines that hold bold characters."""
    cursor_hidden: bool
    code: int


def run_in_terminal(*arguments: str, columns: int = 80, interrupt_at: str = "") -> Shown:
    """Run `python -m ARGUMENTS` in 24 lines to its end, or press Ctrl-C when a text shows up."""
    screen = pyte.HistoryScreen(columns, 24, history=20_000, ratio=0.5)
    stream = pyte.ByteStream(screen)
    with _child(arguments, columns) as (child, master):
        pending = interrupt_at
        for chunk in _chunks(master):
            stream.feed(chunk)
            if pending and any(pending in line for line in screen.display):
                child.send_signal(signal.SIGINT)
                pending = ""
        code = child.wait(timeout=30)
    rows = [*screen.history.top, *(screen.buffer[index] for index in range(24))]
    return Shown(
        [_text(row, columns) for row in rows],
        [_text(row, columns) for row in rows if any(row[x].bold for x in range(columns))],
        screen.cursor.hidden,
        code,
    )


@contextmanager
def _child(
    arguments: tuple[str, ...], columns: int
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment(), cwd=ROOT
    ) as child:
        os.close(slave)
        try:
            yield child, master
        finally:
            child.kill()
            os.close(master)


def _chunks(master: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            return  # Linux's way to say that the other end has been closed.
        if not chunk:
            return
        yield chunk


def _text(row: Any, columns: int) -> str:
    return "".join(row[x].data for x in range(columns)).rstrip()
