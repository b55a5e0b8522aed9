"""`kextract list`: the names that other commands take."""

import json
from typing import TYPE_CHECKING

from kextract.cli.output import print_table
from kextract.config import RECIPES
from kextract.config.files import preset, preset_names
from kextract.config.requests import ListRequest
from kextract.config.resolve import Invocation
from kextract.datasets import describe_datasets
from kextract.methods import METHODS
from kextract.models import MODELS

if TYPE_CHECKING:
    from kextract.reports import Table

EXAMPLE = "kextract list"


def list_names(invocation: Invocation[ListRequest]) -> None:
    """List data sets, models, methods, recipes and presets."""
    kinds = {
        "data sets": describe_datasets(),
        "models": [(name, spec.description) for name, spec in MODELS.items()],
        "methods": [(name, spec.description) for name, spec in METHODS.items()],
        "recipes": list(RECIPES.items()),
        "presets": [(name, preset(name).source) for name in preset_names()],
    }
    if invocation.request.format == "json":
        print(json.dumps({kind: dict(entries) for kind, entries in kinds.items()}))
        return
    from kextract.reports.table import Table, name_cell

    for kind, entries in kinds.items():
        if kind == "models":
            print_table(_models())
            continue
        rows = tuple((name_cell(name), name_cell(text)) for name, text in entries)
        print_table(Table(kind, ("name", "what it is"), rows))


def _models() -> "Table":
    from kextract.reports.table import Table, figure_cell, name_cell

    columns = ("name", "what it is", "parameters", "multiply-adds")
    rows = tuple(
        (
            name_cell(name),
            name_cell(spec.description),
            figure_cell(spec.cost.parameters if spec.cost else None, "{:,}".format),
            figure_cell(spec.cost.multiply_adds if spec.cost else None, "{:,}".format),
        )
        for name, spec in MODELS.items()
    )
    title = "models (for 32x32x3 images and ten classes; NAME@0.5 is half as wide)"
    return Table(title, columns, rows)
