"""A table of results as plain data, and its renderings: terminal, text, Markdown, CSV, JSON."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeVar

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from kextract.text import one_line

T = TypeVar("T")
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
    """Rows of cells below named columns, a cell for each."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The column names for programs: "best loss" is `best_loss`."""
        return tuple(column_key(column) for column in self.columns)

    def to_rich(self) -> "TerminalTable":
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


def table_of(title: str, items: Iterable[T], columns: Mapping[str, Callable[[T], Cell]]) -> Table:
    """Give a row for each item: what each of the named columns makes of it."""
    rows = (tuple(cell(item) for cell in columns.values()) for item in items)
    return Table(title, tuple(columns), tuple(rows))


def column_key(column: str) -> str:
    """Give the name that a program finds a column by."""
    return column.replace(" ", "_")


def name_cell(text: str, *, bold: bool = False) -> Cell:
    """Make a cell of a name."""
    return Cell(text, text, bold)


def figure_cell(value: float | None, write: Callable[[float], str]) -> Cell:
    """Make a cell of a figure, which may be missing."""
    return Cell(None, "--") if value is None else Cell(value, write(value))


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


_ROOM = 2
"""Blanks between columns on a terminal."""
_NAME_WIDTH = 24
"""A name longer than this many characters is folded where room is short."""


@dataclass(frozen=True, slots=True)
class TerminalColumn:
    """A column of styled texts without control characters."""

    header: str
    texts: tuple[Text, ...]
    numeric: bool

    @property
    def least_width(self) -> int:
        """The width below which a figure or a word of the header would be broken."""
        cells = (text.plain for text in self.texts)
        words = cells if self.numeric else (word for cell in cells for word in cell.split())
        return min(max(map(len, [*self.header.split(), *words]), default=1), _NAME_WIDTH)

    @property
    def full_width(self) -> int:
        """The width at which nothing is folded."""
        return max(len(self.header), *(len(text) for text in self.texts), self.least_width)


@dataclass(frozen=True, slots=True)
class TerminalTable:
    """Draws itself at the width of the console; the first column leads every block."""

    title: str
    columns: tuple[TerminalColumn, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the title and the blocks."""
        if self.title:
            yield Text(self.title, "bold")
        for block in blocks(self.columns, options.max_width):
            yield Text()
            yield _draw(block, options.max_width)


def blocks(columns: Sequence[TerminalColumn], width: int) -> Iterator[tuple[TerminalColumn, ...]]:
    """Cut columns into blocks that fit `width`, each with the first column and one more."""
    if not columns:
        return
    first, *others = columns
    block, room = [first], width - first.least_width
    left = room
    for column in others:
        needed = column.least_width + _ROOM
        if needed > left and len(block) > 1:
            yield tuple(block)
            block, left = [first], room
        block.append(column)
        left -= needed
    yield tuple(block)


def _widths(columns: Sequence[TerminalColumn], width: int) -> list[int]:
    """Give each column its least width, and what is left over to the first that want more."""
    widths = [column.least_width for column in columns]
    left = width - sum(widths) - _ROOM * (len(columns) - 1)
    for index, column in enumerate(columns):
        more = min(column.full_width - widths[index], max(left, 0))
        widths[index] += more
        left -= more
    return widths


def _draw(columns: Sequence[TerminalColumn], width: int) -> RichTable:
    # The box has a blank between columns; with one more on the right the gap is two.
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for column, characters in zip(columns, _widths(columns, width), strict=True):
        table.add_column(
            Text(column.header, "cyan"),
            justify="right" if column.numeric else "left",
            overflow="fold",
            width=characters,
        )
    for row in zip(*(column.texts for column in columns), strict=True):
        table.add_row(*row)
    return table
