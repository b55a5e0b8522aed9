"""`kextract compare`: teachers and students side by side, from the histories in their files."""

from pathlib import Path
from typing import TYPE_CHECKING

from kextract.cli.output import print_table
from kextract.config.resolve import Invocation
from kextract.errors import RequestError
from kextract.runs.outputs import stem
from kextract.runs.requests import CompareRequest

if TYPE_CHECKING:
    from kextract.reports import Run, Table

EXAMPLE = "kextract compare checkpoints/*.weights.h5"


def compare(invocation: Invocation[CompareRequest]) -> None:
    """Compare how checkpoints began, their best epochs and their last.

    The numbers come from the histories in the files; no images are needed.
    """
    from kextract.reports import epochs, summary

    request = invocation.request
    runs = [_run(path) for path in request.checkpoints]
    _print(epochs(runs) if request.epochs else summary(runs), request.format)


def _run(path: Path) -> "Run":
    from kextract.reports import Run
    from kextract.storage import read_info
    from kextract.storage.archive import is_archive

    info = None if is_archive(path) else read_info(path)
    if info is None:
        raise RequestError(
            f"'{path}' is of another program, without a history to compare; measure it with"
            " evaluate"
        )
    return Run(
        label=stem(path),
        kind="teacher" if info.kind == "teacher" else "student",
        history=info.history,
        test=info.test,
        method=str(info.config.get("method", "")),
    )


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
