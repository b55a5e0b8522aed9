"""`kextract compare`: teachers and students side by side, from the histories in their files."""

from typing import TYPE_CHECKING

from kextract.cli.output import print_table
from kextract.config.requests import CompareRequest
from kextract.config.resolve import Invocation

if TYPE_CHECKING:
    from kextract.reports import Table

EXAMPLE = "kextract compare 'results/*.weights.h5' --group-by method,student --plot epochs.png"


def compare(invocation: Invocation[CompareRequest]) -> None:
    """Compare how checkpoints began, their best epochs and their last.

    The numbers come from the histories in the files; no images are needed. Runs that differ only in
    their seed are one row: mean, standard deviation, number of runs.
    """
    from kextract.reports import default_metrics, epochs, find_metrics, summary
    from kextract.runs.comparing import grouped, read_runs, words, write_plot

    request = invocation.request
    runs = read_runs(request.checkpoints)
    groups = grouped(runs, request.group_by)
    names = words(request.columns)
    metrics = find_metrics(names, runs) if names else default_metrics(runs)
    separate = request.format in ("csv", "json")
    if request.plot is not None:
        write_plot(request, groups)
    table = (
        epochs(groups, separate=separate)
        if request.epochs
        else summary(groups, metrics, separate=separate)
    )
    _print(table, request.format)


def _print(table: "Table", format: str) -> None:
    if format == "table":
        print_table(table)
    elif format == "markdown":
        print(table.to_markdown())
    elif format == "csv":
        print(table.to_csv(), end="")
    else:
        from kextract.text import json_text

        print(json_text(table.to_objects()))
