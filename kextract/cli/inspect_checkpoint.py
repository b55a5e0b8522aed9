"""`kextract inspect`: what a checkpoint says about itself."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kextract.cli.guard import guarded
from kextract.cli.output import check_choice, print_table
from kextract.errors import RequestError

if TYPE_CHECKING:
    from kextract.reports import Table
    from kextract.storage import CheckpointInfo
    from kextract.storage.archive import ArchiveInfo

LONGEST_NAME, LONGEST_VALUE = 80, 2000
"""Characters in the table; JSON holds all of them."""


@guarded
def inspect_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint to look into.")],
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
) -> None:
    """Show what a checkpoint holds and how it was made, or what a .keras file holds."""
    check_choice("--format", format, ("table", "json"))
    from kextract.display.strict_json import dumps
    from kextract.storage import read_info
    from kextract.storage.archive import is_archive, load_archive

    if is_archive(checkpoint):
        _, about = load_archive(checkpoint)
        if format == "json":
            print(dumps(dict(sorted(asdict(about).items()))))
        else:
            print_table(_archive_table(checkpoint, about))
        return
    info = read_info(checkpoint)
    if info is None:
        raise RequestError(
            f"'{checkpoint}' holds weights of another program, which say nothing about themselves;"
            " kextract evaluate --model NAME --dataset NAME measures them"
        )
    if format == "json":
        print(dumps(dict(sorted(asdict(info).items()))))
    else:
        print_table(_table(checkpoint, info))


def _archive_table(path: Path, about: "ArchiveInfo") -> "Table":
    from kextract.reports.table import Table, name_cell

    facts: dict[str, Any] = asdict(about)
    facts["input_shape"] = "x".join(str(side) for side in about.input_shape)
    facts["head"] = {"logits": "none: it answers with logits"}.get(about.head, about.head)
    rows = tuple(
        (name_cell(name.replace("_", " ")), name_cell(str(value))) for name, value in facts.items()
    )
    return Table(str(path), ("what", "value"), rows)


def _table(path: Path, info: "CheckpointInfo") -> "Table":
    from kextract.display.text import shortened
    from kextract.reports.table import Table, name_cell

    facts: dict[str, Any] = {
        name: value for name, value in asdict(info).items() if name not in ("history", "config")
    }
    facts["input_shape"] = "x".join(str(side) for side in info.input_shape)
    facts["class_names"] = ", ".join(info.class_names)
    facts["test"] = ", ".join(f"{name} {value:.4f}" for name, value in info.test.items())
    facts |= {f"config: {name}": value for name, value in info.config.items()}
    facts["history"] = f"{len(info.history)} epochs (kextract compare --epochs shows them)"
    rows = tuple(
        (
            name_cell(shortened(name.replace("_", " "), LONGEST_NAME)),
            name_cell(shortened(str(value), LONGEST_VALUE)),
        )
        for name, value in facts.items()
        if value not in (None, "")
    )
    return Table(str(path), ("what", "value"), rows)
