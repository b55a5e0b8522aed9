"""Saying what is wrong with a file, safely."""

from kextract.text import printable

__all__ = ["Refused", "printable"]


class Refused(Exception):  # noqa: N818 - it never leaves this package
    """What is wrong with a file, without the file's name."""
