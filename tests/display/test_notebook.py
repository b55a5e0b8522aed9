"""A notebook is played here by a module in the place of IPython: what it is given to display."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kextract.display import RunHeader
from kextract.display.formats import NotebookDisplay, in_notebook
from kextract.records import EpochRecord, Note, Progress

HEADER = RunHeader("title", "subtitle", 2, ("epoch", "accuracy"), "kextract distill x")


class Notebook:
    """Remembers every text that was shown, and in how many places."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.places = 0

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw and display_id
        self.places += 1
        self.texts.append(data["text/plain"])
        return SimpleNamespace(update=lambda new, raw: self.texts.append(new["text/plain"]))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    played = Notebook()
    modules = {name: ModuleType(name) for name in ("IPython", "IPython.display")}
    modules["IPython"].get_ipython = lambda: SimpleNamespace(kernel=None)  # type: ignore[attr-defined]
    modules["IPython.display"].display = played.display  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return played


def test_a_run_stays_in_one_place_and_grows(notebook: Notebook) -> None:
    display = NotebookDisplay()
    display.start(HEADER)
    for epoch in (0, 1, 2):
        display.show(EpochRecord(epoch, accuracy=epoch / 4))
    display.show(Note("the best so far"))
    display.finish((), {"verdict": "It is good."})
    assert notebook.places == 1
    assert notebook.texts[-1].splitlines() == [
        *("title", "subtitle", "epoch  accuracy"),
        *("    0    0.0000", "    1    0.2500  *", "    2    0.5000  *"),
        *("the best so far", "", "It is good."),
    ]


def test_the_running_epoch_is_seen_below_its_table_until_it_ends(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kextract.display.formats.PAUSE", 0)
    display = NotebookDisplay()
    display.start(HEADER)
    display.show(Progress(1, "teaching", 3, 10, 96, 0.5))
    assert notebook.texts[-1].splitlines()[-1] == "epoch 1 of 2: teaching 3/10"
    display.show(EpochRecord(1, accuracy=0.5))
    assert "teaching" not in notebook.texts[-1]


def test_a_notebook_is_told_from_a_terminal(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert not in_notebook()
