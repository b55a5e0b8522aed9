"""`kextract compare`: teachers and students side by side, from the histories in their files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kextract.cli.guard import guarded
from kextract.cli.output import check_choice, print_table
from kextract.errors import RequestError
from kextract.runs.outputs import stem

if TYPE_CHECKING:
    from kextract.reports import Run, Table

FORMATS = ("table", "markdown", "csv", "json")


@guarded
def compare(
    checkpoints: Annotated[list[Path], typer.Argument(help="Checkpoints, teacher first.")],
    epochs: Annotated[
        bool, typer.Option("--epochs", help="Show every epoch, not only the summary.")
    ] = False,
    format: Annotated[str, typer.Option(help=f"{', '.join(FORMATS)}.")] = "table",
) -> None:
    """Compare how checkpoints began, their best epochs and their last.

    The figures come from the histories in the files; no images are needed.
    """
    check_choice("--format", format, FORMATS)
    from kextract.reports import epochs as epochs_table
    from kextract.reports import summary

    runs = [_run(path) for path in checkpoints]
    tables = [summary(runs), *([epochs_table(runs)] if epochs else [])]
    for table in tables:
        _print(table, format)


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
        from kextract.display.strict_json import dumps

        print(dumps(table.to_objects()))
