"""Axes, labels and legends of plots; matplotlib is imported inside functions only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kextract.reports.grouping import Group
from kextract.reports.style import GRID
from kextract.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_LABEL = 44


def shown(group: Group) -> str:
    """Name a group, with the number of its runs where there are several."""
    count = len(group.runs)
    suffix = f" ({count} runs)" if count > 1 else ""
    return f"{fitted_label(group.label, LONGEST_LABEL - len(suffix))}{suffix}"


def of_teacher(label: str) -> str:
    """Say that a label is a teacher's, where it does not."""
    return label if "teacher" in label else f"teacher {label}"


def fitted_label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Make a name fit for a label: on one line, its dollars no formulas, without its middle.

    Names of one study begin alike; what tells them apart is mostly at their end.
    """
    label = one_line(text)
    if len(label) > longest:
        head = longest // 3
        label = f"{label[:head]}...{label[head + 3 - longest :]}"
    return label.replace("$", r"\$")


def short_count(value: int) -> str:
    """Write a count in at most three digits: 15.7k, 1.2M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def titled(axes: "Axes", x: str, title: str) -> None:
    """Name the horizontal axis, and the vertical one above it, where it is read first."""
    axes.set_xlabel(x)
    axes.set_title(title, loc="left")


def log_where_wide(axes: "Axes") -> None:
    """Losses that differ by more than a factor of 30 are shown on a logarithmic axis."""
    values = [y for line in axes.get_lines() for y in np.asarray(line.get_ydata(), float)]
    if values and max(values) > 30 * min(values) > 0:
        axes.set_yscale("log")
        # A band that reaches down to 0 would have no end on this axis.
        axes.set_ylim(min(values) / 1.5, max(values) * 1.5)
        _plain_numbers(axes.yaxis)


def log_counts(axes: "Axes") -> None:
    """Mark a logarithmic axis of counts at 1, 2 and 5 of each power."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(round(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def whole_numbers(panels: "Sequence[Axes]") -> None:
    """Mark horizontal axes at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(figure: "Figure", axes: "Axes", note: str) -> None:
    """Name the lines below the plot, in the order in which they were given."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=1)
    # In points: a letter of this size, and the sample of the line with its gaps.
    columns = max(1, min(3, int(72 * figure.get_figwidth() // (7 * longest + 75))))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.25 * max(rows - 2, 0))
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=3.2,
        title=note or None,
        title_fontsize=11,
    )
    for item in (*axes.get_xgridlines(), *axes.get_ygridlines()):
        item.set_color(GRID)
