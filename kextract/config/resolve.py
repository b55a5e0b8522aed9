"""From what was typed, set and written to what is asked for; every value knows where it is from."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from kextract.config.files import write_table
from kextract.config.option import Entry, assemble, table
from kextract.errors import RequestError

R = TypeVar("R")

COMMAND_LINE, ENVIRONMENT = "command line", "environment"


@dataclass(frozen=True)
class Layer:
    """Values by option name that come from one place; later layers beat earlier ones."""

    origin: str
    values: Mapping[str, Any]
    file: Path | None = None
    """The configuration file that it is."""


@dataclass(frozen=True)
class Invocation(Generic[R]):
    """A command with everything that was asked of it."""

    command: str
    request: R
    origins: Mapping[str, str]
    """Where each value comes from that is not simply the option's default."""
    values: Mapping[str, Any]
    """All options by name."""
    file: Path | None = None
    """The configuration file that was read."""

    @property
    def on_command_line(self) -> set[str]:
        """Names of the options given there; what other places say is meant for many runs."""
        return {name for name, origin in self.origins.items() if origin == COMMAND_LINE}

    def command_line(self, *more: str) -> str:
        """Return a command that asks for the same, without `--resume`; `more` is appended."""
        entries, words = table(type(self.request)), []
        for name, value in self.values.items():
            given = self.origins.get(name) in (COMMAND_LINE, ENVIRONMENT)
            if given and value is not None and name != "resume":
                words += _words(entries[name], value)
        if self.file is not None:
            words += ["--config", str(self.file)]
        return shlex.join(["kextract", self.command, *words, *more])

    def toml(self) -> str:
        """Give all options as a configuration file, with a comment on where each is from."""
        return write_table(self.command, self.values, self.origins)

    def settings(self, **resolved: Any) -> dict[str, Any]:
        """Return the options that the result depends on, with what was `resolved` since.

        Paths are texts, so that JSON can hold them.
        """
        entries = table(type(self.request))
        chosen = {
            name: value for name, value in self.values.items() if entries[name].option.setting
        }
        return {
            name: [str(item) for item in value]
            if isinstance(value, tuple)
            else str(value)
            if entries[name].kind not in (int, float, bool) and value is not None
            else value
            for name, value in {**chosen, **resolved}.items()
        }


def resolve(command: str, cls: type[R], layers: Sequence[Layer]) -> Invocation[R]:
    """Put a request together. Raises RequestError for a missing argument or an impossible value."""
    entries = table(cls)
    values: dict[str, Any] = {name: entry.default for name, entry in entries.items()}
    origins: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.values.items():
            if value is None:
                continue
            values[name], origins[name] = value, layer.origin
    for name, entry in entries.items():
        if entry.option.argument and not entry.optional and values[name] in (None, ()):
            raise RequestError(f"{entry.flag}: is missing; see kextract {command} --help")
    file = next((layer.file for layer in layers if layer.file), None)
    return Invocation(command, assemble(cls, values), origins, values, file)


def _words(entry: Entry, value: Any) -> list[str]:
    if entry.option.argument:
        # What begins with a dash would be taken for an option.
        words = map(str, value if isinstance(value, tuple) else (value,))
        return [f"./{word}" if word.startswith("-") else word for word in words]
    if entry.kind is bool:
        return [entry.flag if value else entry.off]
    # Written together, since a value may begin with a dash, as -1,1 does.
    return [f"{entry.flag}={value}"] if str(value).startswith("-") else [entry.flag, str(value)]
