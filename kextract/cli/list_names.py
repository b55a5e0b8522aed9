"""`kextract list`: the names that other commands take."""

import json
from typing import Annotated

import typer

from kextract.cli.guard import guarded
from kextract.cli.output import check_choice, print_table
from kextract.config import RECIPES
from kextract.datasets import describe_datasets
from kextract.models import MODELS
from kextract.presets import PRESETS
from kextract.transfer import METHODS


@guarded
def list_names(
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
) -> None:
    """List data sets, models, methods, recipes and presets."""
    check_choice("--format", format, ("table", "json"))
    kinds = {
        "data sets": describe_datasets(),
        "models": [(name, spec.description) for name, spec in MODELS.items()],
        "methods": [(name, spec.description) for name, spec in METHODS.items()],
        "recipes": list(RECIPES.items()),
        "presets": [(name, preset.source) for name, preset in PRESETS.items()],
    }
    if format == "json":
        print(json.dumps({kind: dict(entries) for kind, entries in kinds.items()}))
        return
    from kextract.reports.table import Table, name_cell

    for kind, entries in kinds.items():
        rows = tuple((name_cell(name), name_cell(text)) for name, text in entries)
        print_table(Table(kind, ("name", "what it is"), rows))
