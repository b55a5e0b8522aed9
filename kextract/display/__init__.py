"""What a run shows while it works: live, plain rows, JSON lines, or nothing but the path."""

from kextract.display.base import Display, Outcome, RunHeader
from kextract.display.formats import make_display, waiting
