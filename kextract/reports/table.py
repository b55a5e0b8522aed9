"""A table of results as plain data, and its renderings: terminal, text, Markdown, CSV, JSON."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from rich.text import Text

from kextract.reports.terminal import TerminalColumn, TerminalTable
from kextract.text import json_text, one_line

Value = str | int | float | None

_GAP = "  "
_MARKDOWN = re.compile(r"[\\|*`\[\]<>~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown could take for a sign; an underscore inside a word it does not."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure or name: the value in full precision and how it is shown."""

    value: Value
    text: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below named columns; raises ValueError where they do not fit together."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if len(set(self.keys)) != len(self.columns):
            raise ValueError(f"two columns of one name in {self.columns}")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"each row needs {len(self.columns)} cells")

    @property
    def keys(self) -> tuple[str, ...]:
        """The column names for programs: "best loss" is `best_loss`."""
        return tuple(column_key(column) for column in self.columns)

    def to_rich(self) -> TerminalTable:
        """Give what a Rich console prints; too wide a table comes in blocks of columns."""
        columns = (
            TerminalColumn(
                one_line(name),
                tuple(Text(one_line(c.text), "bold" if c.bold else "") for c in cells),
                self.is_numeric(index),
            )
            for index, (name, cells) in enumerate(zip(self.columns, self._by_column(), strict=True))
        )
        return TerminalTable(one_line(self.title), tuple(columns))

    def _by_column(self) -> list[list[Cell]]:
        return [[row[index] for row in self.rows] for index in range(len(self.columns))]

    def to_text(self) -> str:
        """Give aligned lines for logs and pipes, without a sign of what is bold."""
        lines = [self.columns, *(tuple(cell.text for cell in row) for row in self.rows)]
        cleaned = [[one_line(text) for text in line] for line in lines]
        widths = [max(map(len, texts)) for texts in zip(*cleaned, strict=True)]
        aligned = (
            _GAP.join(
                text.rjust(width) if self.is_numeric(index) else text.ljust(width)
                for index, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cleaned
        )
        title = [one_line(self.title), ""] if self.title else []
        return _lines([*title, *aligned])

    def to_markdown(self) -> str:
        """Give a GitHub table, without the title; bold cells as `**x**`."""
        rules = ("---:" if self.is_numeric(index) else "---" for index in range(len(self.columns)))
        rows = (_markdown_row(map(_markdown_cell, row)) for row in self.rows)
        return _lines([_markdown_row(map(_markdown, self.columns)), _markdown_row(rules), *rows])

    def to_csv(self) -> str:
        """Give the values in full precision below the keys, each row on one line.

        What is missing is empty.
        """
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(map(one_line, self.keys))
        writer.writerows([_exact(cell.value) for cell in row] for row in self.rows)
        return stream.getvalue()

    def to_json(self) -> str:
        """Give a list of objects, one a row, values in full precision."""
        return json_text(self.to_objects(), indent=2)

    def to_objects(self) -> list[dict[str, Any]]:
        """Give the rows as dictionaries from key to value."""
        return [
            {key: cell.value for key, cell in zip(self.keys, row, strict=True)} for row in self.rows
        ]

    def is_numeric(self, index: int) -> bool:
        """Tell whether a column holds numbers, some of which may be missing."""
        values = [row[index].value for row in self.rows]
        return any(value is not None for value in values) and not any(
            isinstance(value, str) for value in values
        )


def column_key(column: str) -> str:
    """Give the name that a program finds a column by."""
    return column.replace(" ", "_")


def name_cell(text: str, *, bold: bool = False) -> Cell:
    """Make a cell of a name."""
    return Cell(text, text, bold)


def figure_cell(
    value: float | None, write: Callable[[float], str], *, bold: bool = False, missing: str = "--"
) -> Cell:
    """Make a cell of a figure, which may be missing."""
    return Cell(None, missing) if value is None else Cell(value, write(value), bold)


def _exact(value: Value) -> Value:
    """Widen NumPy's short floats, whose `str` is not their exact value; escape text."""
    if isinstance(value, str):
        return one_line(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, int) else value


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(lambda match: "\\" + match[0], one_line(text)).strip()


def _markdown_cell(cell: Cell) -> str:
    text = _markdown(cell.text)
    return f"**{text}**" if cell.bold and text else text


def _markdown_row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
