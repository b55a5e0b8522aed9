"""Options from the environment: KEXTRACT_COMMAND_NAME, meant for many runs at once."""

import os
from collections.abc import Mapping
from typing import Any

from kextract.config.option import Entry, convert
from kextract.config.resolve import ENVIRONMENT, Layer

PREFIX = "KEXTRACT"


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
