"""What a run shows while it works: live, plain rows, JSON lines, or nothing but the path."""

from kextract.columns import COLUMNS, Column, column
from kextract.display.base import Display, Outcome, RunHeader
from kextract.display.formats import FORMATS, make_display, waiting

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Column",
    "Display",
    "Outcome",
    "RunHeader",
    "column",
    "make_display",
    "waiting",
]
