"""From what was typed, set and written to what is asked for; every value knows where it is from."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kextract.config.files import write_table
from kextract.config.option import ANY, Entry, assemble, convert, flag, table
from kextract.config.requests import REQUESTS
from kextract.config.training import FORMER_NAMES
from kextract.errors import CheckpointError, RequestError

if TYPE_CHECKING:
    from kextract.storage import CheckpointInfo
    from kextract.storage.opening import Identified

R = TypeVar("R")
PREFIX = "KEXTRACT"
COMMAND_LINE, ENVIRONMENT = "command line", "environment"
OPTIONS = "options"
"""Where a checkpoint's configuration holds all options of the command, by name."""
OUTPUTS = "teacher_outputs"
"""Where it says what the teacher's own program got of it, see `kextract.models.heads.Head`."""


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
    given: Sequence[Layer] = ()
    """What the request was put together from, defaults left out."""
    seen: "Identified | None" = None
    """What the teacher's file is, where it was looked at."""

    @property
    def on_command_line(self) -> set[str]:
        """Names of the options given there; what other places say is meant for many runs."""
        return {name for name, origin in self.origins.items() if origin == COMMAND_LINE}

    def command_line(self, program: str = "kextract") -> str:
        """Return a command that asks for the same, without `--resume`."""
        entries, words = table(type(self.request)), []
        for name, value in self.values.items():
            given = self.origins.get(name) in (COMMAND_LINE, ENVIRONMENT)
            if given and value is not None and name != "resume":
                words += _words(entries[name], value)
        if self.file is not None:
            words += ["--config", str(self.file)]
        return f"{program} {shlex.join([self.command, *words])}"

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


def program() -> str:
    """Say how kextract is called here, so that what is shown can be pasted."""
    return "uv run kextract" if "UV_RUN_RECURSION_DEPTH" in os.environ else "kextract"


def variable_of(command: str, name: str) -> str:
    """Name the environment variable of an option."""
    return f"{PREFIX}_{command}_{name}".replace("-", "_").upper()


def environment_layer(command: str, entries: Mapping[str, Entry]) -> Layer:
    """Return what the environment says of a command's options; an empty variable says nothing.

    Raises RequestError, by the variable's name, for a value of another type.
    """
    found: dict[str, Any] = {}
    for name, entry in entries.items():
        variable = entry.option.environment or variable_of(command, name)
        if value := os.environ.get(variable):
            found[name] = convert(entry, value, f"{variable}={value}")
    return Layer(ENVIRONMENT, found)


def resolve(command: str, layers: Sequence[Layer]) -> Invocation[Any]:
    """Put a request together; later layers beat earlier ones.

    Raises RequestError for a missing argument, a value that cannot be, and options that cannot be
    given together.
    """
    cls = REQUESTS[command]
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
    request = assemble(cls, values)
    _check_combinations(entries, values, origins)
    file = next((layer.file for layer in layers if layer.file), None)
    return Invocation(command, request, origins, values, file)


def _check_combinations(
    entries: Mapping[str, Entry], values: Mapping[str, Any], origins: Mapping[str, str]
) -> None:
    """Hold options to what they require and exclude.

    What has a default of its own counts where it was typed: a file or the environment is meant for
    many runs.
    """

    def is_given(name: str) -> bool:
        default, value = entries[name].default, values[name]
        if value is None or value is False:
            return False
        return default is None or default is False or origins.get(name) == COMMAND_LINE

    for name, entry in entries.items():
        if not is_given(name):
            continue
        typed = entry.flag if values[name] is True else f"{entry.flag} {values[name]}"
        for other, needed in entry.option.requires.items():
            if is_given(other) if needed is ANY else values[other] == needed:
                continue
            wanted = "" if needed is ANY else f" {needed}, found {values[other]}"
            raise RequestError(
                f"{typed}: needs {flag(other)}{wanted}; add it, or leave {entry.flag} out"
            )
        for other, why in entry.option.excludes.items():
            if is_given(other):
                raise RequestError(
                    f"{entry.flag} and {flag(other)} exclude each other: "
                    + (f"{why}; " if why else "")
                    + "leave one of them out"
                )


def settings_of_checkpoint(info: "CheckpointInfo") -> str:
    """Give the options that made a checkpoint as a configuration file.

    Raises CheckpointError for values that no option can have.
    """
    command = "train-teacher" if info.kind == "teacher" else "distill"
    found = info.config.get(OPTIONS)
    options = found if isinstance(found, Mapping) else _of_earlier_versions(info)
    options = {FORMER_NAMES.get(name, name): value for name, value in options.items()}
    values = {}
    for name, entry in table(REQUESTS[command]).items():
        if name not in options or options[name] is None:
            continue
        try:
            values[name] = convert(entry, options[name], f"option '{name}'")
        except RequestError as error:
            raise CheckpointError(f"what the checkpoint says of its making: {error}") from error
    return write_table(command, values)


def _of_earlier_versions(info: "CheckpointInfo") -> dict[str, Any]:
    """Collect what checkpoints said before they held all options."""
    inversion = info.config.get("inversion", {})
    holdout = info.config.get("holdout", {})
    own = (
        {"model": info.model, "limit": holdout.get("limit")}
        if info.kind == "teacher"
        else {"teacher": info.teacher, "student": info.model}
    )
    return {
        **info.config,
        **(inversion if isinstance(inversion, Mapping) else {}),
        **own,
        "pooling": info.pooling,
        "dataset": info.dataset,
    }


def _words(entry: Entry, value: Any) -> list[str]:
    if entry.option.argument:
        # What begins with a dash would be taken for an option.
        words = map(str, value if isinstance(value, tuple) else (value,))
        return [f"./{word}" if word.startswith("-") else word for word in words]
    if entry.kind is bool:
        return [entry.flag if value else entry.off]
    # Written together, since a value may begin with a dash, as -1,1 does.
    return [f"{entry.flag}={value}"] if str(value).startswith("-") else [entry.flag, str(value)]
