"""Configuration files and presets: TOML with a table per command, whose keys are its options."""

import json
import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kextract.config.option import Entry, as_path, convert, table
from kextract.config.training import DistillConfig
from kextract.errors import RequestError, UnknownNameError
from kextract.text import decoded, one_line

MAX_BYTES = 1 << 20
PRESETS = Path(__file__).with_name("presets")
ENDING = ".toml"

Document = Mapping[str, Any]


def read_document(path: Path, label: str) -> dict[str, Any]:
    """Read a TOML file; `label` is the flag that names it. Raises RequestError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RequestError(f"{label} {path}: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise RequestError(f"{label} {path}: is larger than {MAX_BYTES >> 20} MiB")
    try:
        return tomllib.loads(decoded(content))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"{label} {path}: is not TOML ({error})") from error


def settings_of(
    document: Document,
    command: str,
    entries: Mapping[str, Entry],
    *,
    label: str,
    commands: Collection[str],
    besides: Collection[str] = (),
) -> dict[str, Any]:
    """Take the options of a command out of a document, converted, by name.

    Other commands' tables are left alone, and so are top-level keys `besides` them. Raises
    UnknownNameError, with the nearest name, for a table that is not a command and a key that
    is not an option; RequestError for a value of another type.
    """
    for name, value in document.items():
        if name in besides:
            continue
        if name not in commands:
            raise UnknownNameError(f"table in {label}:", name, commands)
        if not isinstance(value, dict):
            raise RequestError(f"{label}: '{name}' must be a table, [{name}]")
    names = {name.replace("_", "-"): name for name in entries}
    found = {}
    for key, value in document.get(command, {}).items():
        if key.replace("_", "-") not in names:
            raise UnknownNameError(f"option in {label}, [{command}]:", key, names)
        name = names[key.replace("_", "-")]
        found[name] = convert(entries[name], value, f"{label}: [{command}] {key} = {value!r}")
    return found


def write_table(
    command: str, values: Mapping[str, Any], comments: Mapping[str, str] | None = None
) -> str:
    """Give a command's options as a TOML table; those that are None are left out.

    `comments` by the options' names stand behind their values.
    """
    lines = [f"[{command}]"]
    for name, value in values.items():
        if value is None:
            continue
        comment = f"  # {one_line(comments[name])}" if comments and name in comments else ""
        lines.append(f"{name.replace('_', '-')} = {toml_value(value)}{comment}")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Write a number, text, path, truth value or a list of these as TOML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    # TOML's basic strings are JSON's, but for one more character that must be escaped.
    return json.dumps(os.fspath(value), ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True)
class Preset:
    """A recipe of `distill`, as far as its losses are in our vocabulary."""

    settings: Mapping[str, Any]
    """Options by name."""
    source: str = ""
    left_out: str = ""


def preset_names() -> list[str]:
    """List the presets that come with kextract, in alphabetical order."""
    return sorted(path.stem for path in PRESETS.glob(f"*{ENDING}"))


@cache
def preset(name: str) -> Preset:
    """Read a preset by its name, or from a configuration file of one's own."""
    if name.endswith(ENDING):
        path, label = as_path(name), f"--preset {name}"
    else:
        path, label = PRESETS / f"{name}{ENDING}", f"--preset {name}"
        if name not in preset_names():
            raise UnknownNameError("preset (--preset)", name, preset_names())
    document = read_document(path, "--preset")
    settings = settings_of(
        document,
        "distill",
        table(DistillConfig),
        label=label,
        commands=("distill",),
        besides=("source", "left-out"),
    )
    return Preset(settings, str(document.get("source", "")), str(document.get("left-out", "")))
