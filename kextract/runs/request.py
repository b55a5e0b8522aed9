"""What all requests have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kextract.config.option import check
from kextract.config.resolve import Layer
from kextract.methods.auto import Facts


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command is asked for; fields declared by `option` are its options."""

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def layers(cls, given: Mapping[str, Any], facts: Facts | None = None) -> Sequence[Layer]:
        """Return defaults that follow from what was given, weakest first.

        `facts` are known of a teacher in memory.
        """
        del given, facts
        return ()
