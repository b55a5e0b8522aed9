"""One declaration per option: the field of a frozen dataclass, and all that is known about it.

`option` declares a field. From it come the parameter on the command line with its `--help`, the
environment variable, the key in a configuration file, the argument in Python, the check, and what
it cannot be combined with.
"""

import dataclasses
import math
import os
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from kextract.errors import RequestError, UnknownNameError

T = TypeVar("T")
ANY = object()
"""Whatever value; it must be given."""
Names = Collection[str] | Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which values an option takes, in code and in words."""

    accepts: Callable[[Any], bool]
    text: str
    """Follows "must be": "1 or more"."""


def at_least(least: int) -> Bounds:
    """Accept whole numbers from `least` on."""
    return Bounds(lambda value: value >= least, f"{least} or more")


POSITIVE = Bounds(lambda value: value > 0 and math.isfinite(value), "a positive number")
NOT_NEGATIVE = Bounds(lambda value: value >= 0 and math.isfinite(value), "0 or a positive number")
SHARE_OF_ALL = Bounds(lambda value: 0 <= value <= 1, "from 0 to 1")
SHARE = Bounds(lambda value: 0 < value < 1, "between 0 and 1, such as 0.1")
SOME_SHARE = Bounds(lambda share: 0 < share <= 1, "more than 0 and at most 1")
SHARES = (SHARE_OF_ALL, SHARE, SOME_SHARE)
"""Bounds of what may be typed as a percentage."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a field's metadata says about it, under the key `option`."""

    help: str
    """A sentence that is understood without any other option's; units included."""
    panel: str
    """The heading under which `--help` lists it."""
    argument: bool = False
    """Given by its place on the command line, without a flag."""
    short: str | None = None
    bounds: Bounds | None = None
    choices: Names | None = None
    """The only values that there are."""
    suggestions: Names = ()
    """Values that a shell completes to, where others are possible."""
    basic: bool = False
    """Shown by `--help`; all others by `--help-all` alone."""
    group: str | None = None
    """A concept that not every method has a use for; see `MethodSpec.uses`."""
    requires: Mapping[str, Any] = field(default_factory=dict)
    """Other options by name, with the value that they must have, or `ANY`."""
    excludes: Mapping[str, str] = field(default_factory=dict)
    """Other options by name that it cannot be given with, and why."""
    metavar: str | None = None
    default_text: str | None = None
    """What `--help` says of a default that is found out later."""
    off: str | None = None
    """What turns a switch off, instead of --no-NAME."""
    environment: str | None = None
    """An environment variable of its own, instead of KEXTRACT_COMMAND_NAME."""
    setting: bool = True
    """Part of what is asked for; False for where results go and how they are shown."""


def option(default: Any, help: str, *, panel: str = "Options", **about: Any) -> Any:
    """Declare an option as a dataclass field; `about` are further fields of `Option`.

    A whole number of which the default is 1 or more is never less, unless its `bounds` say so.
    """
    if type(default) is int and default:
        about.setdefault("bounds", at_least(1))
    declared = Option(help=help, panel=panel, **about)
    return field(default=default, metadata={"option": declared})


def argument(help: str, **about: Any) -> Any:
    """Declare a positional argument; whoever assembles the dataclass refuses a missing one."""
    return option(None, help, panel="Arguments", argument=True, basic=True, **about)


class Options:
    """A frozen dataclass of options; a value that cannot be is refused when it is made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Check the fields. Raises RequestError by the flag of the first that cannot be."""
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            known, value = item.metadata.get("option"), getattr(self, item.name)
            if known is None or value is None:
                continue
            if known.bounds and not known.bounds.accepts(value):
                raise RequestError(f"{flag(item.name)} {value}: must be {known.bounds.text}")
            names = names_of(known.choices)
            if names and value not in names:
                raise UnknownNameError(item.name.replace("_", " "), value, names)


@dataclass(frozen=True, slots=True)
class Entry:
    """One option of a command: its name, declaration, type and default."""

    name: str
    option: Option
    kind: type
    """int, float, str, bool, Path, or tuple for a list of paths."""
    optional: bool
    default: Any

    @property
    def flag(self) -> str:
        """The name as it is typed."""
        return self.name.upper() if self.option.argument else flag(self.name)

    @property
    def off(self) -> str:
        """What turns a switch off, as it is typed."""
        return self.option.off or f"--no-{self.flag.removeprefix('--')}"


def flag(name: str) -> str:
    """Turn the name of a field into that of its flag."""
    return f"--{name.replace('_', '-')}"


def table(cls: type) -> dict[str, Entry]:
    """List the options of a dataclass and of the dataclasses within it, by name."""
    entries: dict[str, Entry] = {}
    for item in dataclasses.fields(cls):
        if is_dataclass(item.type):
            found = table(typing.cast(type, item.type))
        elif "option" in item.metadata:
            kind, optional = _kind(item.type)
            found = {
                item.name: Entry(item.name, item.metadata["option"], kind, optional, item.default)
            }
        else:
            continue
        if twice := entries.keys() & found.keys():
            raise ValueError(f"{cls.__name__} declares {', '.join(twice)} twice")
        entries |= found
    return entries


def assemble(cls: type[T], values: Mapping[str, Any]) -> T:
    """Make a dataclass, and the dataclasses within it, of values by option name."""
    parts: dict[str, Any] = {}
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        if is_dataclass(item.type):
            parts[item.name] = assemble(typing.cast(type, item.type), values)
        elif item.name in values:
            parts[item.name] = values[item.name]
    return cls(**parts)


def names_of(names: Names | None) -> Collection[str]:
    """List names that are given as they are, or as a function where they are in a registry."""
    return names() if callable(names) else names or ()


def convert(entry: Entry, value: Any, label: str) -> Any:
    """Turn what was typed, or read from a file, into a value of the option's type.

    Raises RequestError that begins with `label`, which names the value's place.
    """
    if value is None and entry.optional:
        return None
    if hasattr(value, "tolist"):
        # A number or an array of NumPy's.
        value = value.tolist()
    if isinstance(value, str) and value.endswith("%") and entry.option.bounds in SHARES:
        value = _share(value)
    try:
        return _CONVERT[entry.kind](value)
    except (TypeError, ValueError):
        raise RequestError(f"{label}: must be {_EXPECTED[entry.kind]}") from None


def _kind(annotation: Any) -> tuple[type, bool]:
    """Take an annotation apart: `int | None` is an int that may be missing."""
    if isinstance(annotation, types.UnionType):
        (kind,) = (part for part in typing.get_args(annotation) if part is not types.NoneType)
        return kind, True
    return typing.get_origin(annotation) or annotation, False


def _whole(value: Any) -> int:
    if isinstance(value, bool | float):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _share(percentage: str) -> float | str:
    """Turn 95% into 0.95; what is not a number before its sign stays as it is."""
    try:
        return float(percentage.removesuffix("%")) / 100
    except ValueError:
        return percentage


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        # Numbers with commas between them on the command line, such as a range.
        return ",".join(f"{_number(item):g}" for item in value)
    value = os.fspath(value)
    if not isinstance(value, str):
        raise TypeError
    # What names a data set or a network may as well be the path of one.
    return str(as_path(value)) if value.startswith("~/") else value


def _switch(value: Any) -> bool:
    words = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError
    return value


def as_path(value: Any) -> Path:
    """Make a path of what was typed, set or written, with the home folder in place of `~`.

    Shells expand it at the beginning of a word alone: not in `--output=~/x`, nor in quotes. Raises
    TypeError for what is not a path.
    """
    # Path.expanduser would raise for a user that does not exist; shells leave such a word as it is.
    return Path(os.path.expanduser(os.fspath(value)))  # noqa: PTH111


def _paths(value: Any) -> tuple[Path, ...]:
    if isinstance(value, str | os.PathLike):
        return (as_path(value),)
    return tuple(as_path(item) for item in value)


_CONVERT: dict[type, Callable[[Any], Any]] = {
    int: _whole, float: _number, str: _text, bool: _switch,
    Path: as_path, tuple: _paths,
}  # fmt: skip
_EXPECTED: dict[type, str] = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false",
    Path: "the path of a file", tuple: "a list of paths",
}  # fmt: skip
