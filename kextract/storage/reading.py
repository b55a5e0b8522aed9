"""What files say about themselves, read as the types that the program declares and nothing else."""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from kextract import __version__
from kextract.errors import Refused
from kextract.hdf5.safe_hdf5 import CheckedFile
from kextract.text import printable

_WORDS = {
    bool: "true or false",
    float: "a finite number",
    int: "a whole number",
    str: "text",
    tuple: "a list of the right length",
}


def read_schema(file: CheckedFile, mark: str, newest: int, verb: str) -> int:
    """Read the version of a file's format. Raises Refused for one that is newer than `newest`."""
    schema = int(file.attribute(mark, "<i8"))
    if schema > newest:
        version = printable(file.text_attribute("kextract_version"))
        raise Refused(
            f"{verb} by kextract {version} in format {schema};"
            f" kextract {__version__} reads up to {newest}: update kextract"
        )
    if schema < 1:
        raise Refused(f"attribute '{mark}' is {schema}")
    return schema


def from_json(text: str | bytes, where: str) -> Any:
    """Read JSON, in which numbers are finite. Raises Refused."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused(f"'{where}' is not JSON") from None


def typed(kind: Any, value: Any, where: str) -> Any:
    """Return `value`, as JSON gives it, as the type `kind`: a dataclass, a tuple, a number, ...

    Numbers are finite. Raises ValueError, naming `where` in the file it is, for any other type.
    """
    args = get_args(kind)
    origin = get_origin(kind) or kind
    if origin is Any or (origin is float and _is_number(value)):
        return value
    if origin is UnionType:
        accepted = next((arg for arg in args if _fits(arg, value)), args[0])
        return typed(accepted, value, where)
    if origin in (bool, int, str, NoneType) and type(value) is origin:
        return value
    if origin is Mapping and isinstance(value, dict):
        return {name: typed(args[1], item, f"{where}/{name}") for name, item in value.items()}
    if origin is tuple and isinstance(value, list):
        kinds = (args[0],) * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            pairs = enumerate(zip(kinds, value, strict=True))
            return tuple(typed(each, item, f"{where}/{n}") for n, (each, item) in pairs)
    if is_dataclass(origin) and isinstance(value, dict):
        return _object(origin, value, where)
    raise ValueError(f"'{printable(where)}' is not {_WORDS.get(origin, 'a JSON object')}")


def _object(kind: Any, value: dict[str, Any], where: str) -> Any:
    """Make a dataclass of a JSON object; what it does not name has its default."""
    hints, known = get_type_hints(kind), {field.name: field for field in fields(kind)}
    needed = {name for name, field in known.items() if field.default is MISSING}
    if odd := sorted(set(value) - set(known)):
        raise ValueError(f"'{printable(where)}' holds an unknown '{printable(odd[0])}'")
    needed -= {name for name, field in known.items() if field.default_factory is not MISSING}
    if missing := sorted(needed - set(value)):
        raise ValueError(f"'{printable(where)}' lacks '{missing[0]}'")
    prefix = f"{where}/" if where else ""
    return kind(
        **{name: typed(hints[name], item, f"{prefix}{name}") for name, item in value.items()}
    )


def _fits(kind: Any, value: Any) -> bool:
    if kind is float:
        return _is_number(value)
    origin = get_origin(kind) or kind
    return isinstance(value, dict) if origin is Mapping else type(value) is origin


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _refuse_constant(text: str) -> None:
    raise ValueError(text)
