"""Plots of results: epochs, size against accuracy, questions against accuracy.

Each function returns a matplotlib figure; `render` makes the bytes of a picture of it. All raise
RequestError where matplotlib is missing.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kextract.errors import RequestError
from kextract.reports.comparison import epoch_spreads
from kextract.reports.grouping import Group
from kextract.reports.metrics import value_in
from kextract.reports.spread import Spread, spread
from kextract.reports.style import GRID, INK, look, new_figure, styled
from kextract.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
LONGEST_LABEL = 44
QUESTIONS = "questions"
"""The detail of an epoch that counts what was asked of a black-box teacher so far."""
_PANELS = (("loss", "validation loss (nats)"), ("accuracy", "validation accuracy (%)"))
_BAND = 0.18


@dataclass(frozen=True, slots=True)
class Point:
    """One model in a plot of size against accuracy."""

    label: str
    parameters: int
    accuracy: Spread
    """0 to 1."""
    is_teacher: bool = False


def check_plot(path: Path) -> None:
    """Refuse a file that no plot can be written to: another ending, or matplotlib missing."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"--plot: '{path}' must end in .png or .svg")
    with styled():
        pass


def curves(groups: Sequence[Group]) -> "Figure":
    """Draw validation loss and accuracy by epoch, a line for each group.

    Where there are students, teachers are level lines: what the epoch had whose weights are in the
    file. Several runs of a group are their mean in a band of one standard deviation. Raises
    RequestError where no epoch was validated.
    """
    students = [group for group in groups if group.kind == "student"]
    lines = students or list(groups)
    references = [group for group in groups if group.kind == "teacher"] if students else []
    if not any(epoch_spreads(group, "accuracy") for group in lines):
        raise RequestError(
            "nothing to plot: none of the runs was validated, as there were no labelled images"
        )
    with styled():
        figure = new_figure(11, 4.6)
        panels: Sequence[Axes] = figure.subplots(1, 2)
        for axes, (metric, title) in zip(panels, _PANELS, strict=True):
            for index, group in enumerate(lines):
                _draw_line(axes, group, metric, index)
            for index, group in enumerate(references):
                _draw_reference(axes, group, metric, index)
            _label(axes, "epoch", title)
        _use_log_where_wide(panels[0])
        _whole_numbers(panels)
        _legend(figure, panels[1], _note(lines))
    return figure


def size_against_accuracy(points: Sequence[Point]) -> "Figure":
    """Draw accuracy against the number of parameters, on a logarithmic axis.

    A bar is one standard deviation over the runs of a point; teachers are level lines with a star.
    Raises RequestError for no points.
    """
    if not points:
        raise RequestError("nothing to plot: no run has a test accuracy and a size")
    with styled():
        figure = new_figure(8, 5)
        axes: Axes = figure.subplots()
        axes.set_xscale("log")
        sizes = [point.parameters for point in points]
        axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
        students = 0
        for point in points:
            _draw_point(axes, point, students)
            students += not point.is_teacher
        axes.margins(y=0.12)
        _label(axes, "parameters", "test accuracy (%)")
        _plain_log_axis(axes)
        _legend(figure, axes, "bars: ± 1 standard deviation" if _has_spread(points) else "")
    return figure


def size_points(groups: Sequence[Group]) -> list[Point]:
    """Make a point of each group that has a size and a test accuracy."""
    points = []
    for group in groups:
        accuracy = spread(run.test.get("accuracy") for run in group.runs)
        parameters = group.runs[0].parameters
        if accuracy is not None and parameters is not None:
            points.append(Point(group.label, parameters, accuracy, group.kind == "teacher"))
    return points


def questions_against_accuracy(groups: Sequence[Group]) -> "Figure":
    """Draw accuracy against the questions that were asked of the teacher, a line for each group.

    The questions are the detail `questions` of each epoch. Raises RequestError where no run counted
    any.
    """
    lines = [group for group in groups if group.kind == "student" and _asked(group)]
    if not lines:
        raise RequestError("nothing to plot: none of the runs counted the questions to its teacher")
    with styled():
        figure = new_figure(9, 5)
        axes: Axes = figure.subplots()
        axes.set_xscale("log")
        for index, group in enumerate(lines):
            _draw_line(axes, group, "accuracy", index, places=_asked(group))
        for index, group in enumerate(group for group in groups if group.kind == "teacher"):
            _draw_reference(axes, group, "accuracy", index)
        _label(axes, "questions to the teacher", "validation accuracy (%)")
        _plain_log_axis(axes)
        _legend(figure, axes, _note(lines))
    return figure


def render(figure: "Figure", format: str, *, for_page: bool = False) -> bytes:
    """Write a figure as "png" or "svg": the same bytes for the same figure.

    `for_page` leaves the background out and keeps text as text, in the page's own font.
    """
    stream = io.BytesIO()
    with styled() as _:
        import matplotlib

        matplotlib.rcParams["svg.fonttype"] = "none" if for_page else "path"
        metadata: dict[str, Any] = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(stream, format=format, metadata=metadata, transparent=for_page)
    return stream.getvalue()


def _draw_line(
    axes: "Axes", group: Group, metric: str, index: int, places: dict[int, float] | None = None
) -> None:
    spreads = epoch_spreads(group, metric)
    if places is not None:
        spreads = {epoch: found for epoch, found in spreads.items() if epoch in places}
    if not spreads:
        return
    x = [float(epoch) if places is None else places[epoch] for epoch in spreads]
    scale = 100.0 if metric == "accuracy" else 1.0
    mean = [found.mean * scale for found in spreads.values()]
    style = look(index)
    axes.plot(
        x,
        mean,
        color=style.colour,
        linestyle=style.dashes,
        marker=style.mark,
        markevery=max(1, len(x) // 10),
        markeredgecolor="white",
        label=_shown(group),
    )
    if any(found.deviation is not None for found in spreads.values()):
        width = [(found.deviation or 0.0) * scale for found in spreads.values()]
        low = [m - w for m, w in zip(mean, width, strict=True)]
        high = [m + w for m, w in zip(mean, width, strict=True)]
        axes.fill_between(x, low, high, color=style.colour, alpha=_BAND, linewidth=0)


def _draw_reference(axes: "Axes", group: Group, metric: str, index: int) -> None:
    found = spread(value_in(run.kept, metric) for run in group.runs)
    if found is None:
        return
    level = found.mean * (100.0 if metric == "accuracy" else 1.0)
    dashes = (0, (1, 1 + index))
    axes.axhline(level, color=INK, linestyle=dashes, linewidth=1.8, label=_teacher(_shown(group)))


def _draw_point(axes: "Axes", point: Point, index: int) -> None:
    x, y = point.parameters, 100 * point.accuracy.mean
    label = f"{_cut(point.label)} ({_short_count(x)})"
    if point.is_teacher:
        label = _teacher(label)
        axes.axhline(y, color=INK, linestyle=(0, (1, 1)), linewidth=1.5)
        axes.plot(
            [x], [y], color=INK, marker="*", markersize=15, linestyle="none", label=label, zorder=3
        )
        return
    style = look(index)
    axes.errorbar(
        [x],
        [y],
        yerr=None if point.accuracy.deviation is None else [100 * point.accuracy.deviation],
        color=style.colour,
        marker=style.mark,
        markersize=10,
        capsize=6,
        elinewidth=2.2,
        capthick=2.2,
        linestyle="none",
        label=label,
    )


def _asked(group: Group) -> dict[int, float]:
    """Give the mean questions of a group by epoch."""
    by_epoch: dict[int, list[float]] = {}
    for run in group.runs:
        for record in run.history:
            if record.details.get(QUESTIONS, 0.0) > 0:
                by_epoch.setdefault(record.epoch, []).append(record.details[QUESTIONS])
    return {epoch: sum(values) / len(values) for epoch, values in by_epoch.items()}


def _shown(group: Group) -> str:
    count = len(group.runs)
    suffix = f" ({count} runs)" if count > 1 else ""
    return f"{_cut(group.label, LONGEST_LABEL - len(suffix))}{suffix}"


def _teacher(label: str) -> str:
    return label if "teacher" in label else f"teacher {label}"


def _cut(text: str, longest: int = LONGEST_LABEL) -> str:
    """Make a name fit for a label: on one line, its dollars no formulas, without its middle.

    Names of one study begin alike; what tells them apart is mostly at their end.
    """
    label = one_line(text)
    if len(label) > longest:
        head = longest // 3
        label = f"{label[:head]}...{label[head + 3 - longest :]}"
    return label.replace("$", r"\$")


def _short_count(value: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def _note(groups: Sequence[Group]) -> str:
    several = any(len(group.runs) > 1 for group in groups)
    return "bands: ± 1 standard deviation" if several else ""


def _has_spread(points: Sequence[Point]) -> bool:
    return any(point.accuracy.deviation is not None for point in points)


def _label(axes: "Axes", x: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_title(title, loc="left")


def _use_log_where_wide(axes: "Axes") -> None:
    """Losses that differ by more than a factor of 30 are shown on a logarithmic axis."""
    values = [y for line in axes.get_lines() for y in np.asarray(line.get_ydata(), float)]
    if values and max(values) > 30 * min(values) > 0:
        axes.set_yscale("log")
        # A band that reaches down to 0 would have no end on this axis.
        axes.set_ylim(min(values) / 1.5, max(values) * 1.5)
        _plain_numbers(axes.yaxis)


def _plain_log_axis(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short_count(round(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _whole_numbers(panels: "Sequence[Axes]") -> None:
    from matplotlib.ticker import MaxNLocator

    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legend(figure: "Figure", axes: "Axes", note: str) -> None:
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
