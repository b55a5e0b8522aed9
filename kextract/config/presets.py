"""Presets: published recipes and ours, as configuration files that come with kextract."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kextract.config.distill import DistillConfig
from kextract.config.files import read_document, settings_of
from kextract.config.option import as_path, table
from kextract.errors import UnknownNameError

FOLDER = Path(__file__).with_name("presets")
ENDING = ".toml"


@dataclass(frozen=True)
class Preset:
    """A recipe of `distill`, as far as its losses are in our vocabulary."""

    settings: Mapping[str, Any]
    """Options by name."""
    source: str = ""
    left_out: str = ""


def preset_names() -> list[str]:
    """List the presets that come with kextract, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob(f"*{ENDING}"))


@cache
def preset(name: str) -> Preset:
    """Read a preset by its name, or from a configuration file of one's own."""
    if name.endswith(ENDING):
        path, label = as_path(name), f"--preset {name}"
    else:
        path, label = FOLDER / f"{name}{ENDING}", f"--preset {name}"
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
