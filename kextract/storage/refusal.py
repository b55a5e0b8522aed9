"""Saying what is wrong with a file, safely."""

_LONGEST_NAME = 80


class Refused(Exception):  # noqa: N818 - it never leaves this package
    """What is wrong with a file, without the file's name."""


def printable(name: str | bytes) -> str:
    """Make a name from a file fit for one line of a terminal: escaped and cut."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    escaped = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return escaped if len(escaped) <= _LONGEST_NAME else f"{escaped[:_LONGEST_NAME]}..."
