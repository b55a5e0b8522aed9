"""A table on a terminal; where it is too wide, in blocks below each other.

Rich alone would cut the columns on the right without a word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

_GAP = 2
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
        needed = column.least_width + _GAP
        if needed > left and len(block) > 1:
            yield tuple(block)
            block, left = [first], room
        block.append(column)
        left -= needed
    yield tuple(block)


def _widths(columns: Sequence[TerminalColumn], width: int) -> list[int]:
    """Give each column its least width, and what is left over to the first that want more."""
    widths = [column.least_width for column in columns]
    left = width - sum(widths) - _GAP * (len(columns) - 1)
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
