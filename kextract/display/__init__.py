"""What a run shows while it works: live, plain rows, JSON lines, or nothing but the path."""

from kextract.display.base import Display, Outcome, RunHeader
from kextract.display.choose import FORMATS, make_display
from kextract.display.columns import COLUMNS, Column, column

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Column",
    "Display",
    "Outcome",
    "RunHeader",
    "column",
    "make_display",
]
