import csv
import io
import re

import numpy as np
import pytest
from rich.console import Console

from kextract.reports import Cell, Table

NASTY = "a|b\n*c* [red]d[/] \\ _e_ f_g \x1b[2J"


def table(*names: str) -> Table:
    rows = tuple((Cell(name, name), Cell(0.5, "0.5000", bold=True)) for name in names)
    return Table("title", ("name", "best loss"), rows)


def on_terminal(shown: Table, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(shown.to_rich())
    return capture.get()


def test_markdown_keeps_user_text_in_its_cell() -> None:
    header, rule, row = table(NASTY).to_markdown().splitlines()
    assert row == (r"| a\|b\\n\*c\* \[red\]d\[/\] \\ \_e\_ f_g \\x1b\[2J | **0.5000** |")
    assert re.findall(r"(?<!\\)\|", row) == re.findall(r"(?<!\\)\|", header)
    assert rule == "| --- | ---: |"


def test_csv_gives_user_text_back_with_control_characters_escaped() -> None:
    text = table(NASTY).to_csv()
    assert len(text.splitlines()) == 2
    shown = r"a|b\n*c* [red]d[/] \ _e_ f_g \x1b[2J"
    assert list(csv.reader(io.StringIO(text))) == [["name", "best_loss"], [shown, "0.5"]]


def test_csv_writes_short_floats_exactly() -> None:
    third = np.float32(1 / 3)
    text = Table("", ("x",), ((Cell(third, "0.3333"),),)).to_csv()  # type: ignore[arg-type]
    assert np.float64(text.splitlines()[1]) == np.float64(third)


def test_a_terminal_shows_the_best_in_bold_and_interprets_nothing() -> None:
    shown = on_terminal(table(NASTY), 80)
    assert re.search(r"\x1b\[1m *0\.5000\x1b\[0m", shown)
    assert r"a|b\n*c* [red]d[/] \ _e_ f_g \x1b[2J" in shown


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_table_too_wide_for_the_terminal_loses_no_figure(width: int) -> None:
    columns = tuple(f"loss {index}" for index in range(12))
    cells = tuple(Cell(float(index), f"{index}.0000") for index in range(12))
    wide = Table("wide", ("model", *columns), ((Cell("teacher", "teacher"), *cells),))
    shown = re.sub(r"\x1b\[[\d;]*m", "", on_terminal(wide, width))
    assert re.findall(r"\d+\.0000", shown) == [cell.text for cell in cells]
    assert max(map(len, shown.splitlines())) <= width
