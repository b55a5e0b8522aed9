"""File names by template: `out/{teacher}-{student}-{method}-s{seed}.weights.h5`."""

import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kextract.errors import RequestError, UnknownNameError

_LONGEST_VALUE = 100
# What a name must not hold on Linux, macOS or Windows, and what would lead to another folder.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


def is_template(text: str) -> bool:
    """Tell whether a file's name has fields to fill in."""
    return "{" in text or "}" in text


def fill(template: str, values: Mapping[str, Any], flag: str = "--output") -> Path:
    """Fill `{field}` in a path with a run's own values; `{{` and `}}` stand for braces.

    A value that is None fills in nothing, a path fills in its name without folder and endings, and
    characters that a file's name must not hold become `_`. Raises UnknownNameError for a field that
    is none of `values`, RequestError for a template that is none.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RequestError(
            f"{flag}: '{template}' is not a template ({error}); write {{{{ and }}}} for braces"
        ) from error
    text = ""
    for literal, field, format, conversion in parts:
        text += literal
        if field is None:
            continue
        if format or conversion:
            raise RequestError(f"{flag}: '{template}': write {{{field}}} without ':' and '!'")
        if field not in values:
            raise UnknownNameError(f"field ({flag})", field, values)
        text += _text(values[field])
    return Path(text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Path):
        value = value.name.removesuffix(".h5").removesuffix(".weights").removesuffix(".keras")
    text = _FORBIDDEN.sub("_", str(value))[:_LONGEST_VALUE]
    # "." and ".." are folders.
    return text if text.strip(".") else "_" * len(text)
