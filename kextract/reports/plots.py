"""Plots of results: epochs, size against accuracy, questions against accuracy.

Each function returns a matplotlib figure; `render` makes the bytes of a picture of it. All raise
RequestError where matplotlib is missing: it is an extra, and slow to import, so it is imported
inside functions only. How plots look is in `plots.mplstyle`: lines differ in colour, dashes and
marks, so that they can be distinguished by the colour-blind and in black and white.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kextract.errors import MissingExtraError, RequestError
from kextract.reports.comparison import epoch_spreads, value_in
from kextract.reports.runs import Group, Spread, spread
from kextract.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
STYLE = Path(__file__).with_suffix(".mplstyle")
LONGEST_LABEL = 44
# Okabe & Ito 2008, "Color universal design", without its yellow, which white swallows. Neighbours
# differ in lightness too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
MARKS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#1a1a1a"
"""Text, axes and the teacher."""
GRID = "#d4d4d4"

QUESTIONS = "questions"
"""The detail of an epoch that counts what was asked of a black-box teacher so far."""
BUDGET = "query_budget"
"""The option that says how many questions a run may ask."""
_BY_BUDGET = frozenset({BUDGET, "steps_per_epoch", "asked", "answered"})
"""What differs where only that does."""
_PANELS = (("loss", "validation loss (nats)"), ("accuracy", "validation accuracy (%)"))
_BAND = 0.18


@dataclass(frozen=True, slots=True)
class Line:
    """Test accuracies over what they cost; one of a single point is a mark."""

    label: str
    points: tuple[tuple[float, Spread], ...]
    """Parameters or questions, and accuracy, 0 to 1."""


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
            titled(axes, "epoch", title)
        log_where_wide(panels[0])
        whole_numbers(panels)
        legend(figure, panels[1], _note(lines))
    return figure


def size_against_accuracy(groups: Sequence[Group]) -> "Figure":
    """Draw test accuracy against the number of parameters, on a logarithmic axis.

    A bar is one standard deviation over the runs of a point; teachers are level lines with a star.
    Raises RequestError where no run has both.
    """
    lines = [
        Line(f"{fitted_label(group.label)} ({short_count(round(size))})", ((size, found),))
        for group in groups
        for size, found in _points([group], _size)
        if group.kind == "student"
    ]
    stars = [point for group in _teachers(groups) for point in _points([group], _size)]
    if not (lines or stars):
        raise RequestError("nothing to plot: no run has a test accuracy and a size")
    return _against_accuracy(groups, lines, stars, "parameters")


def questions_against_accuracy(groups: Sequence[Group]) -> "Figure":
    """Draw test accuracy against the questions that were asked of the teacher.

    A group is a point, with a bar of one standard deviation; groups that differ only in their
    budget are one line. Raises RequestError where no run counted its questions.
    """
    asked = [group for group in groups if _asked(group)]
    lines = [Line(_line_name(line), _points(line, _asked)) for line in _budget_lines(asked)]
    if not lines:
        raise RequestError("nothing to plot: none of the runs counted the questions to its teacher")
    return _against_accuracy(groups, lines, [], "questions to the teacher")


def _against_accuracy(
    groups: Sequence[Group], lines: Sequence[Line], stars: Sequence[tuple[float, Spread]], what: str
) -> "Figure":
    with styled():
        figure = new_figure(9, 5)
        axes: Axes = figure.subplots()
        axes.set_xscale("log")
        costs = [cost for line in lines for cost, _ in line.points] + [cost for cost, _ in stars]
        if costs:
            axes.set_xlim(min(costs) / 1.6, max(costs) * 1.6)
        for index, line in enumerate(lines):
            _draw_points(axes, line, index)
        for index, group in enumerate(_teachers(groups)):
            _draw_level(axes, group, _tested(group), index)
        for cost, found in stars:
            axes.plot([cost], [100 * found.mean], color=INK, marker="*", markersize=15, zorder=3)
        axes.margins(y=0.12)
        titled(axes, what, "test accuracy (%)")
        log_counts(axes)
        spreads = [found.std for line in lines for _, found in line.points]
        several = any(std is not None for std in spreads)
        legend(figure, axes, "bars: ± 1 standard deviation" if several else "")
    return figure


def render(figure: "Figure", format: str, *, for_page: bool = False) -> bytes:
    """Write a figure as "png" or "svg": the same bytes for the same figure.

    `for_page` leaves the background out and keeps text as text, in the page's own font.
    """
    stream = io.BytesIO()
    with styled():
        import matplotlib

        matplotlib.rcParams["svg.fonttype"] = "none" if for_page else "path"
        metadata: dict[str, Any] = {"Date": None} if format == "svg" else {"Software": None}
        figure.savefig(stream, format=format, metadata=metadata, transparent=for_page)
    return stream.getvalue()


def _draw_line(axes: "Axes", group: Group, metric: str, index: int) -> None:
    spreads = epoch_spreads(group, metric)
    if not spreads:
        return
    x = [float(epoch) for epoch in spreads]
    scale = 100.0 if metric == "accuracy" else 1.0
    mean = [found.mean * scale for found in spreads.values()]
    style = look(index)
    axes.plot(
        x,
        mean,
        **style,
        markevery=max(1, len(x) // 10),
        markeredgecolor="white",
        label=shown(group),
    )
    if any(found.std is not None for found in spreads.values()):
        width = [(found.std or 0.0) * scale for found in spreads.values()]
        low = [m - w for m, w in zip(mean, width, strict=True)]
        high = [m + w for m, w in zip(mean, width, strict=True)]
        axes.fill_between(x, low, high, color=style["color"], alpha=_BAND, linewidth=0)


def _draw_reference(axes: "Axes", group: Group, metric: str, index: int) -> None:
    found = spread(value_in(run.kept, metric) for run in group.runs)
    _draw_level(axes, group, found, index, 100.0 if metric == "accuracy" else 1.0)


def _draw_level(
    axes: "Axes", group: Group, found: Spread | None, index: int, scale: float = 100.0
) -> None:
    if found is not None:
        axes.axhline(
            found.mean * scale,
            color=INK,
            linestyle=(0, (1, 1 + index)),
            linewidth=1.8,
            label=of_teacher(shown(group)),
        )


def _teachers(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if group.kind == "teacher"]


def _tested(group: Group) -> Spread | None:
    return spread(run.test.get("accuracy") for run in group.runs)


def _points(
    groups: Sequence[Group], cost: Callable[[Group], float]
) -> tuple[tuple[float, Spread], ...]:
    """Give the costs and accuracies of the groups that have both."""
    found = ((cost(group), _tested(group)) for group in groups)
    return tuple((cost, tested) for cost, tested in found if cost and tested is not None)


def _size(group: Group) -> float:
    return float(group.runs[0].parameters or 0)


def _asked(group: Group) -> float:
    """Give the mean number of questions that the runs of a group asked in all; 0 for none."""
    totals = (value_in(run.history[-1], QUESTIONS) for run in group.runs if run.history)
    found = spread(totals) if group.kind == "student" else None
    return found.mean if found else 0.0


def _budget_lines(groups: Sequence[Group]) -> list[list[Group]]:
    """Put groups that differ only in their budget on one line."""
    lines: dict[str, list[Group]] = {}
    for group in groups:
        run = group.runs[0]
        facts = {name: value for name, value in run.facts.items() if name not in _BY_BUDGET}
        key = repr((sorted(facts.items(), key=str), run.teacher_sha256))
        lines.setdefault(key, []).append(group)
    return [sorted(line, key=_asked) for line in lines.values()]


def _draw_points(axes: "Axes", line: Line, index: int) -> None:
    if line.points:
        stds = [100 * (found.std or 0.0) for _, found in line.points]
        axes.errorbar(
            [cost for cost, _ in line.points],
            [100 * found.mean for _, found in line.points],
            yerr=stds if any(stds) else None,
            **look(index),
            markersize=10,
            capsize=5,
            elinewidth=1.8,
            label=line.label,
        )


def _line_name(line: Sequence[Group]) -> str:
    """Call a line as its groups are called, without their budgets."""
    names = {
        group.label.removesuffix(f"-{group.runs[0].facts.get(BUDGET)}").rstrip("-_.")
        for group in line
    }
    return fitted_label(names.pop() if len(names) == 1 else line[0].label)


def _note(groups: Sequence[Group]) -> str:
    several = any(len(group.runs) > 1 for group in groups)
    return "bands: ± 1 standard deviation" if several else ""


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


def look(index: int) -> dict[str, Any]:
    """Return matplotlib's properties of the line of this number; the first 84 all differ."""
    # Four dashes and six colours have a factor in common; a full turn moves them apart.
    turn = index // len(COLOURS)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[(index + turn) % len(DASHES)],
        "marker": MARKS[index % len(MARKS)],
    }


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def styled() -> Any:
    """Return a context in which plots are drawn and written in this look.

    Raises RequestError without matplotlib.
    """
    try:
        import matplotlib.style
    except ImportError:
        raise MissingExtraError("plots need matplotlib", "plots") from None
    return matplotlib.style.context(STYLE)
