import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kextract.config import DistillConfig, InversionConfig
from kextract.config.files import preset, preset_names
from kextract.config.resolve import COMMAND_LINE, Layer
from kextract.errors import RequestError, UnknownNameError
from kextract.methods import METHODS
from kextract.runs.invoke import invoke

DOCS = Path(__file__).parents[2] / "docs" / "methods.md"
DRAWING = {field.name for field in fields(InversionConfig)}


def asked(method: str, preset: str | None, given: Mapping[str, Any]) -> DistillConfig:
    options = {"teacher": "teacher.weights.h5", "method": method, "preset": preset, **given}
    config: DistillConfig = invoke("distill", Layer(COMMAND_LINE, options)).request.config
    return config


def setting(config: DistillConfig, name: str) -> Any:
    return getattr(config.inversion if name in DRAWING else config, name)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_makes_a_configuration_that_has_its_settings(name: str) -> None:
    config = asked("inversion", name, {})
    found = {known: setting(config, known) for known in preset(name).settings}
    assert found == preset(name).settings


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_a_configuration(method: str) -> None:
    given = {"images": "mnist"} if METHODS[method].images == "given" else {}
    assert asked(method, None, given).method == method


def test_a_zero_that_is_given_is_given() -> None:
    config = asked("inversion", "fast", {"batch_norm_weight": 0.0, "flip": False})
    assert (config.inversion.batch_norm_weight, config.flip) == (0.0, False)


def test_a_preset_beats_the_method_s_default() -> None:
    known = METHODS["inversion"].defaults["epochs"]
    assert preset("photos").settings["epochs"] != known
    assert asked("inversion", "photos", {}).epochs == preset("photos").settings["epochs"]
    assert asked("inversion", "photos", {"epochs": 3}).epochs == 3


def test_a_preset_is_for_inversion_only_and_its_name_is_known() -> None:
    with pytest.raises(RequestError, match=r"^--preset fast: is for --method inversion.*shapes"):
        asked("shapes", "fast", {})
    with pytest.raises(UnknownNameError, match=r"--preset.*'dalf': did you mean 'dafl'"):
        preset("dalf")


def docs_table() -> dict[str, list[str]]:
    """The table of presets in the docs: its cells by the name of the preset."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text().split("## Presets")[1], re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_docs_have_all_presets() -> None:
    assert {*docs_table()} == {*preset_names()}


@pytest.mark.parametrize("name", preset_names())
def test_the_docs_have_the_source_of_a_preset_and_what_it_leaves_out(name: str) -> None:
    source, left_out = docs_table()[name]
    known = preset(name)
    assert source.startswith(known.source)
    assert left_out == known.left_out
