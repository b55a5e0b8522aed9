"""What is wrong with a file, or with one of its operators, before its path is put in front."""

from kextract.storage.refusal import Refused, printable

__all__ = ["NotRead", "Refused", "Unclear", "printable"]


class NotRead(Refused):
    """An operator, or a use of one, that is not read; the file itself may be sound."""


class Unclear(Refused):
    """What a user has to say, or has said wrongly, about a file."""
