"""JSON as RFC 8259 has it: what is no finite number is null, never `NaN`."""

import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any


def dumps(value: Any, indent: int | None = None) -> str:
    """Write `value` as JSON in full precision and in ASCII; NumPy scalars count as numbers."""
    # The one control character that JSON leaves as it is.
    return json.dumps(plain(value), allow_nan=False, indent=indent).replace("\x7f", "\\u007f")


def plain(value: Any) -> Any:
    """Turn `value` into what JSON knows: dict, list, str, int, float, bool and None."""
    match value:
        case None | bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value) if math.isfinite(value) else None
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return str(value)
