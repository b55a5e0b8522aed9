"""Which display suits the stream that is written to."""

import os
import sys
from typing import TextIO

from kextract.display.base import Display, is_terminal
from kextract.display.json_lines import JsonLinesDisplay
from kextract.display.live import LiveDisplay
from kextract.display.plain import PlainDisplay
from kextract.display.quiet import QuietDisplay
from kextract.errors import UnknownNameError

FORMATS = ("auto", "live", "plain", "json", "quiet")

_DUMB = ("", "dumb", "unknown")


def make_display(
    format: str = "auto", stdout: TextIO | None = None, stderr: TextIO | None = None
) -> Display:
    """Make the display of that name; "auto" is live on a terminal and plain elsewhere.

    Where "live" is asked for and cannot be, the display is plain and a note says why. The streams
    are the process's own by default. Raises UnknownNameError for another name.
    """
    out = sys.stdout if stdout is None else stdout
    err = sys.stderr if stderr is None else stderr
    match format:
        case "auto":
            return LiveDisplay(out, err) if _can_move(out) else PlainDisplay(out, err)
        case "live":
            return _live(out, err)
        case "plain":
            return PlainDisplay(out, err)
        case "json":
            return JsonLinesDisplay(out, err)
        case "quiet":
            return QuietDisplay(out, err)
    raise UnknownNameError("format", format, FORMATS)


def _live(out: TextIO, err: TextIO) -> Display:
    if _can_move(out):
        return LiveDisplay(out, err)
    display = PlainDisplay(out, err)
    display.note("stdout is no terminal that can redraw lines: showing plain rows")
    return display


def _can_move(stream: TextIO) -> bool:
    """Tell whether lines on the stream can be redrawn; FORCE_COLOR makes no pipe a terminal."""
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in _DUMB
