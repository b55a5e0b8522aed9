"""`kextract inspect`: what a checkpoint says about itself."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.cli.output import print_table
from kextract.config.resolve import Invocation
from kextract.errors import RequestError
from kextract.runs.requests import InspectRequest
from kextract.runs.settings import settings_of_checkpoint

if TYPE_CHECKING:
    from kextract.reports import Table
    from kextract.storage import CheckpointInfo
    from kextract.storage.archive import ArchiveInfo

EXAMPLE = "kextract inspect checkpoints/mnist-resnet11.weights.h5"
LONGEST_NAME, LONGEST_VALUE = 80, 2000
"""Characters in the table; JSON holds all of them."""


def inspect_checkpoint(invocation: Invocation[InspectRequest]) -> None:
    """Show what a checkpoint holds and how it was made, or what a .keras file holds."""
    from kextract.storage import read_info
    from kextract.storage.archive import is_archive, load_archive
    from kextract.text import json_text

    checkpoint, format = invocation.request.checkpoint, invocation.request.format
    if is_archive(checkpoint) and not invocation.request.config:
        _, about = load_archive(checkpoint)
        if format == "json":
            print(json_text(dict(sorted(asdict(about).items()))))
        else:
            print_table(_archive_table(checkpoint, about))
        return
    info = None if is_archive(checkpoint) else read_info(checkpoint)
    if info is None:
        raise RequestError(
            f"'{checkpoint}' is of another program and says nothing about how it was made;"
            " kextract evaluate --model NAME --dataset NAME measures weights"
        )
    if invocation.request.config:
        print(settings_of_checkpoint(info), end="")
    elif format == "json":
        print(json_text(dict(sorted(asdict(info).items()))))
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
    from kextract.reports.table import Table, name_cell
    from kextract.text import shortened

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
