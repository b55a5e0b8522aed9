"""`kextract inspect`: what a checkpoint says about itself."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.cli.commands import print_table
from kextract.config.option import flag
from kextract.config.requests import InspectRequest
from kextract.config.resolve import Invocation, settings_of_checkpoint
from kextract.errors import RequestError

if TYPE_CHECKING:
    from kextract.reports import Table
    from kextract.storage import CheckpointInfo

LONGEST_NAME, LONGEST_VALUE = 80, 2000
"""Characters in the table; JSON holds all of them."""


def inspect_checkpoint(invocation: Invocation[InspectRequest]) -> None:
    """Show what a checkpoint holds and how it was made, or what another model or a ledger is."""
    from kextract.runs.inspection import facts_of, ledger_facts
    from kextract.storage.opening import Kind, identify
    from kextract.teachers.ledger import is_ledger
    from kextract.text import json_text

    request = invocation.request
    checkpoint, format = request.checkpoint, request.format
    if is_ledger(checkpoint) and not invocation.request.config:
        _print_facts(str(checkpoint), ledger_facts(checkpoint), format)
        return
    identified = identify(checkpoint)
    info = identified.info
    if identified.kind in (Kind.CHECKPOINT, Kind.WEIGHTS):
        for name in ("outputs", "output_name", "input_shape"):
            if (value := getattr(request, name)) is not None:
                raise RequestError(
                    f"{flag(name)} {value}: '{checkpoint}' is {identified.kind.value}, which gives"
                    f" logits; leave {flag(name)} out"
                )
    if info is None and invocation.request.config:
        raise RequestError(
            f"'{checkpoint}' is of another program and says nothing about how it was made"
        )
    if info is None:
        _print_facts(
            str(checkpoint),
            facts_of(identified, request.outputs, request.output_name, request.input_shape),
            format,
        )
        return
    if invocation.request.config:
        print(settings_of_checkpoint(info), end="")
    elif format == "json":
        print(json_text(dict(sorted(_facts(info).items()))))
    else:
        print_table(_table(checkpoint, info))


def _facts(info: "CheckpointInfo") -> dict[str, Any]:
    return {name: value for name, value in asdict(info).items() if name != "architecture"}


def _print_facts(title: str, facts: dict[str, Any], format: str) -> None:
    from kextract.runs.inspection import shown
    from kextract.text import json_text

    if format == "json":
        print(json_text(dict(sorted(facts.items()))))
    else:
        print_table(_facts_table(title, shown(facts)))


def _table(path: Path, info: "CheckpointInfo") -> "Table":
    facts: dict[str, Any] = {
        name: value for name, value in _facts(info).items() if name not in ("history", "config")
    }
    facts["input_shape"] = "x".join(str(side) for side in info.input_shape)
    facts["class_names"] = ", ".join(info.class_names)
    facts["test"] = ", ".join(f"{name} {value:.4f}" for name, value in info.test.items())
    facts |= {f"config: {name}": value for name, value in info.config.items()}
    facts["history"] = f"{len(info.history)} epochs (kextract compare --epochs shows them)"
    words = {
        name.replace("_", " "): str(value)
        for name, value in facts.items()
        if value not in (None, "")
    }
    return _facts_table(str(path), words)


def _facts_table(title: str, facts: Mapping[str, str]) -> "Table":
    from kextract.reports.table import Table, name_cell
    from kextract.text import shortened

    rows = tuple(
        (name_cell(shortened(name, LONGEST_NAME)), name_cell(shortened(value, LONGEST_VALUE)))
        for name, value in facts.items()
    )
    return Table(title, ("what", "value"), rows)
