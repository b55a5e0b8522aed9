"""Checks a document against the part of JSON Schema that docs/schemas uses."""

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_TOLD = {"$schema", "$defs", "title", "description"}
_CHECKED = {
    *("type", "enum", "const", "minimum", "maximum", "required", "properties"),
    *("additionalProperties", "items", "oneOf", "$ref"),
}


def check(document: Any, name: str) -> None:
    """Raise AssertionError, with the place in the document, for what `name`.json does not allow."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    _check(document, schema, schema, "document")


def _check(value: Any, schema: Any, root: Any, place: str) -> None:
    if isinstance(schema, bool):
        assert schema, f"{place} has no place here"
        return
    assert set(schema) <= _TOLD | _CHECKED, f"{place}: {set(schema) - _TOLD - _CHECKED}"
    if "$ref" in schema:
        _check(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, place)
    if "oneOf" in schema:
        _check_one(value, schema["oneOf"], root, place)
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(_is(value, kind) for kind in kinds), f"{place}: {value!r} is no {kinds}"
    assert value in schema.get("enum", [value]), f"{place}: {value!r}"
    assert value == schema.get("const", value), f"{place}: {value!r}"
    if isinstance(value, int | float):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), place
    if isinstance(value, dict):
        _check_object(value, schema, root, place)
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, schema.get("items", True), root, f"{place}[{index}]")


def _check_object(value: dict[str, Any], schema: Any, root: Any, place: str) -> None:
    missing = set(schema.get("required", ())) - set(value)
    assert not missing, f"{place}: {missing} missing"
    known = schema.get("properties", {})
    for name, item in value.items():
        inner = known.get(name, schema.get("additionalProperties", True))
        _check(item, inner, root, f"{place}.{name}")


def _check_one(value: Any, schemas: list[Any], root: Any, place: str) -> None:
    problems = []
    for schema in schemas:
        try:
            _check(value, schema, root, place)
        except AssertionError as problem:
            problems.append(str(problem))
    assert len(schemas) - len(problems) == 1, problems


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
