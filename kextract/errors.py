"""Everything that kextract refuses or fails at, each kind with its exit code.

KextractError                1  the work failed
├── StorageError             1  a file could not be written (full disk, read-only folder)
├── NonFiniteError           1  a loss became NaN or infinite
├── TeacherError             1  a black-box teacher failed, or answered nonsense
├── WorkerError              1  another process that shares the work is gone
├── RequestError             2  what was asked for cannot be done
│   ├── UnknownNameError     2  no such data set, model, method, ...
│   ├── DatasetError         2  images or labels that are missing or unusable
│   └── CheckpointError      2  a weights file that is missing, damaged or not ours
│       └── UnsupportedOperatorError  2  a network that is sound, of parts that are not read
└── GateError                3  a model is worse than `--min-accuracy`

The message is one line: what is wrong (the flag or file by name), what was expected, what was
found, what to do.
"""

import difflib
from collections.abc import Iterable
from typing import Self

_LONGEST_NAME = 80


class KextractError(Exception):
    """The root of all expected failures; `str()` of it is shown to the user as it is."""

    exit_code = 1


class StorageError(KextractError):
    """A file could not be written."""


class NonFiniteError(KextractError):
    """A loss or a weight became NaN or infinite."""

    @classmethod
    def at(cls, place: str, learning_rate: float, flag: str = "--learning-rate") -> Self:
        """Say when a loss is not finite, and what to try."""
        return cls(
            f"the loss is not finite in {place}: try a smaller {flag} than"
            f" {learning_rate:g}, or --precision float32"
        )


class TeacherError(KextractError):
    """A black-box teacher failed again and again, or what it gives makes no sense."""


class WorkerError(KextractError):
    """Another process that shares the work of a run is gone, or never came."""


class RequestError(KextractError):
    """The request is wrong, so nothing was done."""

    exit_code = 2


class MissingExtraError(RequestError):
    """A library that only some of what kextract does needs is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what}, which is not installed: {install_extra(extra)}")


def install_extra(extra: str) -> str:
    """Say how to install an extra of this package, which is on no index, from its folder."""
    return f"in kextract's folder run uv sync --extra {extra} (or pip install '.[{extra}]')"


class UnknownNameError(RequestError):
    """A name that is in no registry; suggests the nearest one that is, or lists all."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listed: bool = False) -> None:
        names, name = list(known), name[:_LONGEST_NAME]
        near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else ""
        if listed or not near:
            hint = f"{hint} choose one of: {', '.join(names)}".strip()
        super().__init__(f"unknown {kind} '{name}': {hint}")


class DatasetError(RequestError):
    """Images or labels that are missing, unreadable or do not fit."""


class CheckpointError(RequestError):
    """A weights file that is missing, damaged, unsafe or of another architecture."""


class UnsupportedOperatorError(CheckpointError):
    """A network with an operator, or a use of one, that is not read; named with its node."""


class Refused(Exception):  # noqa: N818 - readers turn it into one of the above
    """What is wrong with a file, without the file's name."""


class NotRead(Refused):
    """An operator, or a use of one, that is not read; the file itself may be sound."""


class Unclear(Refused):
    """What a user has to say, or has got wrong, about a file."""


class GateError(KextractError):
    """A model was measured and is not good enough."""

    exit_code = 3
