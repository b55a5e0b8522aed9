import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from kextract.errors import RequestError
from kextract.records import EpochRecord
from kextract.reports import Run, by_seed, plots, single
from tests.reports.examples import info, study

pytest.importorskip("matplotlib", reason="plots need the extra kextract[plots]")


def test_several_seeds_are_a_mean_in_a_band_of_one_deviation() -> None:
    runs = study(seeds=3)[1:4]
    figure = plots.curves(by_seed(runs))
    _, accuracy = figure.axes
    values = np.array([[r.accuracy for r in run.history] for run in runs], float) * 100
    (line,), (band,) = accuracy.get_lines(), accuracy.collections
    np.testing.assert_allclose(np.asarray(line.get_ydata()), values.mean(axis=0))
    edges = band.get_paths()[0].vertices
    at_one = sorted({float(y) for x, y in np.asarray(edges) if x == 1})
    deviation = values[:, 1].std(ddof=1)
    assert at_one == pytest.approx(
        [values[:, 1].mean() - deviation, values[:, 1].mean() + deviation]
    )


def test_size_is_drawn_on_a_logarithmic_axis_with_the_spread_as_bars() -> None:
    (axes,) = plots.size_against_accuracy(by_seed(study())).axes
    assert axes.get_xscale() == "log"
    marks = [container.lines[0] for container in axes.containers]  # type: ignore[attr-defined]
    assert [list(mark.get_xdata()) for mark in marks] == [[60_000], [120_000], [180_000]]
    level, star = (line for line in axes.get_lines() if line.get_color() == plots.INK)
    assert (list(level.get_ydata()), list(star.get_xdata())) == ([99.0, 99.0], [410_378])  # type: ignore[arg-type]


def test_runs_that_differ_only_in_their_budget_are_one_line_by_what_they_asked() -> None:
    """With more questions come longer epochs, and another ledger."""
    runs = []
    for budget in (5000, 1000):
        steps = {"steps_per_epoch": budget // 4, "query_budget": budget}
        ledger = {"sent": budget, "asked": budget, "answered": budget, "sha256": str(budget)}
        asked = EpochRecord(1, details={"questions": float(budget)})
        about = info(config={"method": "queries", **steps, "ledger": ledger}, history=(asked,))
        runs.append(Run.of(f"q-{budget}", about))
    other = Run.of("s-9", info(config={"method": "shapes", "query_budget": 9}, history=(asked,)))
    (axes,) = plots.questions_against_accuracy(single([*runs, other])).axes
    lines = [container.lines[0] for container in axes.containers]  # type: ignore[attr-defined]
    assert [list(line.get_xdata()) for line in lines] == [[1000, 5000], [1000]]


def test_runs_that_counted_no_questions_are_refused() -> None:
    with pytest.raises(RequestError, match="none of the runs counted the questions"):
        plots.questions_against_accuracy(single(study()[:1]))


def test_the_same_figure_is_the_same_file() -> None:
    first, again = (plots.render(plots.curves(by_seed(study())), "svg") for _ in range(2))
    assert first == again
    assert b"date" not in first.lower()


def test_hostile_names_are_text_in_a_plot() -> None:
    run = Run('$x^2$ <script>"\n\x1b[2J', "student", study(seeds=1)[1].history)
    svg = plots.render(plots.curves(single([run])), "svg", for_page=True).decode()
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert "$x^2$" in re.sub(r"<[^>]*>", "", svg)


def test_runs_without_validation_are_refused() -> None:
    with pytest.raises(RequestError, match="none of the runs was validated"):
        plots.curves(single([Run("x", "student", (EpochRecord(1),))]))


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RequestError, match=r"uv sync --extra plots"):
        plots.check_plot(Path("a.png"))
