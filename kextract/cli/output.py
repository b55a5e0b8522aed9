"""Results on stdout: tables for people on a terminal, plain text in a pipe."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kextract.reports import Table


def print_table(table: "Table") -> None:
    """Print a table: drawn on a terminal, aligned text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(table.to_rich())
    else:
        print(table.to_text())
