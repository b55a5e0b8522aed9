"""Checks a document against one of docs/schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def check(document: Any, name: str) -> None:
    """Raise ValidationError for what `name`.json does not allow."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.validate(document, schema)
