"""Results on stdout: tables for people on a terminal, plain text in a pipe."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kextract.errors import UnknownNameError

if TYPE_CHECKING:
    from kextract.reports import Table


def print_table(table: "Table") -> None:
    """Print a table: drawn on a terminal, aligned text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(table.to_rich())
    else:
        print(table.to_text())


def check_choice(flag: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is none of the choices of a flag."""
    if value not in choices:
        raise UnknownNameError(f"{flag} value", value, choices)
