"""Text for people and programs: foreign names made harmless, numbers written out, strict JSON."""

import codecs
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

MISSING = "-"
"""Stands for a number that there is not."""
_LONGEST_NAME = 80
_UNITS = (1e9, "GB"), (1e6, "MB"), (1e3, "KB")


def one_line(text: object) -> str:
    r"""Give `text` as one line without control characters; those show as `\x1b`, `\n`, ...

    A name in a downloaded file could otherwise move the cursor or set the window's title.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(text)
    )


def error_line(error: BaseException, most: int = 300) -> str:
    """Give what an exception says in one line of bearable length, or the name of its class."""
    return shortened(" ".join(str(error).split()), most) or type(error).__name__


def decoded(content: bytes) -> str:
    """Decode a text file as editors write it: UTF-8 with or without a mark, or UTF-16 with one.

    Raises UnicodeDecodeError, a ValueError, for anything else.
    """
    sixteen = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if sixteen else "utf-8-sig")


def shortened(text: str, most: int) -> str:
    """Cut `text` to at most so many characters, with an ellipsis where some are missing."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(name: str | bytes) -> str:
    """Make a name from a file fit for a message: on one line, and cut where it is long."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    return shortened(one_line(text), _LONGEST_NAME)


def decimals(value: float, digits: int, width: int) -> str:
    """Write `value` with fixed decimals, with fewer where that would be over `width`."""
    for fewer in range(digits, -1, -1):
        text = f"{value:.{fewer}f}"
        if len(text) <= width:
            return text
    # Sign, point and exponent take at most six characters more than the digits.
    return f"{value:.{max(width - 6, 1)}g}"


def counted(number: int, noun: str) -> str:
    """Write a number of things: 1 epoch, 2 epochs, 3 classes."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def words(text: str | None) -> tuple[str, ...]:
    """Take names apart that were typed with commas; what was typed with dashes has underscores."""
    parts = (part.strip().replace("-", "_") for part in (text or "").split(","))
    return tuple(part for part in parts if part)


def listed(names: Sequence[str], most: int = 10) -> str:
    """Write foreign names with commas between them, and how many more there are than `most`."""
    shown = ", ".join(printable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def duration(seconds: float) -> str:
    """Write a measured time in at most six characters: 12.9s, 16m40s, 1h02m."""
    if not math.isfinite(seconds):
        return MISSING
    tenths = f"{seconds:.1f}s"
    return tenths if len(tenths) <= 6 else time_left(seconds)


def time_left(seconds: float) -> str:
    """Write an estimated time, which deserves no tenths: 4s, 3m12s, 1h02m, 4d06h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    hours = round(seconds / 3600)
    return f"{hours // 24}d{hours % 24:02d}h"


def dimensions(shape: Iterable[int]) -> str:
    """Write a shape as people do: 28x28x1."""
    return "x".join(map(str, shape))


def without_ending(name: str) -> str:
    """Return the name of a model's file without its ending."""
    return name.removesuffix(".h5").removesuffix(".weights").removesuffix(".keras")


def size_text(count: float) -> str:
    """Write a number of bytes in at most three digits: 0.42 KB, 35.4 KB, 138 MB, 1.2 GB."""
    # What would be rounded to 1,000 of a unit is 1 of the next.
    unit, name = next((each for each in _UNITS if count >= 0.9995 * each[0]), _UNITS[-1])
    return f"{count / unit:.3g} {name}"


def json_text(value: Any) -> str:
    """Write `value` as JSON in full precision and in ASCII; NumPy scalars count as numbers."""
    # The one control character that JSON leaves as it is.
    text = json.dumps(json_value(value), allow_nan=False)
    return text.replace("\x7f", "\\u007f")


def json_value(value: Any) -> Any:
    """Turn `value` into what RFC 8259 knows; a number that is not finite is null, never `NaN`."""
    match value:
        case None | bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value) if math.isfinite(value) else None
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [json_value(item) for item in value]
    return str(value)
