"""How plots look: colours for the colour-blind, lines and marks that differ in black and white.

matplotlib is imported inside functions only: it is an extra, and slow to import.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kextract.errors import RequestError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008, "Color universal design", without its yellow, which white swallows. Neighbours
# differ in lightness too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
MARKS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#1a1a1a"
"""Text, axes and the teacher."""
GRID = "#d4d4d4"
SALT = "kextract"
"""Makes the identifiers in an SVG the same every time."""

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.labelsize": 13,
    "legend.fontsize": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 2.2,
    "lines.markersize": 7,
    "svg.hashsalt": SALT,
    "savefig.dpi": 150,
}


@dataclass(frozen=True, slots=True)
class Look:
    """What tells a line from its neighbours: colour, dashes and mark are all others."""

    colour: str
    dashes: Any
    mark: str


def look(index: int) -> Look:
    """Give the look of the line of this number; the first 84 all differ."""
    # Four dashes and six colours have a factor in common; a full turn moves them apart.
    turn = index // len(COLOURS)
    return Look(
        COLOURS[index % len(COLOURS)],
        DASHES[(index + turn) % len(DASHES)],
        MARKS[index % len(MARKS)],
    )


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure of this size in inches; raises RequestError without matplotlib."""
    _matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def styled() -> Any:
    """Make a context in which plots are drawn and written in this look."""
    matplotlib = _matplotlib()
    return matplotlib.rc_context(_SETTINGS)


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise RequestError(
            "plots need matplotlib, which is not installed: pip install 'kextract[plots]'"
        ) from None
    return matplotlib
