import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kextract.config import DistillConfig, InversionConfig
from kextract.errors import RequestError, UnknownNameError
from kextract.presets import METHOD_SETTINGS, PRESETS, default_of, distill_config, preset
from kextract.transfer import METHODS

DOCS = Path(__file__).parents[1] / "docs" / "methods.md"
DRAWING = {field.name for field in fields(InversionConfig)}
TEACHING = {field.name for field in fields(DistillConfig)}


def setting(config: DistillConfig, name: str) -> Any:
    return getattr(config.inversion if name in DRAWING else config, name)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_configuration_that_has_its_settings(name: str) -> None:
    config = distill_config("inversion", name, {})
    found = {known: setting(config, known) for known in PRESETS[name].settings}
    assert found == PRESETS[name].settings


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_a_configuration(method: str) -> None:
    assert distill_config(method, None, {}).method == method


def test_every_method_with_settings_of_its_own_is_a_method() -> None:
    assert set(METHOD_SETTINGS) <= set(METHODS)


def test_no_setting_is_both_of_teaching_and_of_drawing() -> None:
    assert not DRAWING & TEACHING


def test_what_is_given_beats_the_preset() -> None:
    config = distill_config("inversion", "dafl", {"temperature": 9.0, "balance_weight": 3.0})
    assert (config.temperature, config.inversion.balance_weight) == (9.0, 3.0)


def test_a_zero_that_is_given_is_given() -> None:
    config = distill_config("inversion", "fast", {"batch_norm_weight": 0.0, "flip": False})
    assert (config.inversion.batch_norm_weight, config.flip) == (0.0, False)


def test_what_is_not_given_leaves_the_preset_as_it_is() -> None:
    config = distill_config("inversion", "dafl", {"temperature": None, "balance_weight": None})
    assert config == distill_config("inversion", "dafl", {})


def test_a_preset_beats_the_method_s_default() -> None:
    known = METHOD_SETTINGS["inversion"]["epochs"]
    assert PRESETS["photos"].settings["epochs"] != known
    assert distill_config("inversion", "photos", {}).epochs == PRESETS["photos"].settings["epochs"]
    assert distill_config("inversion", "photos", {"epochs": 3}).epochs == 3


def test_a_method_s_default_beats_the_article_s() -> None:
    expected = METHOD_SETTINGS["inversion"]["epochs"]
    assert expected != DistillConfig().epochs
    assert distill_config("inversion", None, {}).epochs == expected


def test_methods_of_the_article_keep_its_defaults() -> None:
    assert distill_config("random", None, {}) == DistillConfig(method="random")


@pytest.mark.parametrize(
    ("wrong", "right"), [("dalf", "dafl"), ("deep-inversion", "deepinversion")]
)
def test_an_unknown_preset_is_answered_with_the_nearest_one(wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"--preset.*'{wrong}': did you mean '{right}'"):
        preset(wrong)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "inversion"])
def test_a_preset_is_for_inversion_only(method: str) -> None:
    with pytest.raises(RequestError, match=f"^--preset fast: is for --method inversion.*{method}"):
        distill_config(method, "fast", {})


@pytest.mark.parametrize(
    "given", [{"class_weight": -1.0}, {"bank_size": 0}, {"synthesis_batch_size": 1}]
)
def test_a_setting_that_cannot_be_is_refused_by_its_flag(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(RequestError, match=f"^--{name.replace('_', '-')} "):
        distill_config("inversion", None, given)


def test_a_default_that_is_the_same_for_all_methods_is_one_value() -> None:
    assert default_of("class_weight") == f"[default: {InversionConfig().class_weight}]"


@pytest.mark.parametrize("name", METHOD_SETTINGS["inversion"])
def test_a_default_says_which_methods_have_another(name: str) -> None:
    own, mine = DistillConfig(), METHOD_SETTINGS["inversion"][name]
    said = default_of(name)
    assert said.startswith(f"[default: {getattr(own, name)}; ")
    assert re.search(rf"; {re.escape(str(mine))}: [a-z, ]*inversion", said)


def docs_table() -> dict[str, list[str]]:
    """The table of presets in the docs: its cells by the name of the preset."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text().split("## Presets")[1], re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_docs_have_all_presets_with_their_sources() -> None:
    assert {name: cells[0] for name, cells in docs_table().items()} == {
        name: known.source for name, known in PRESETS.items()
    }


@pytest.mark.parametrize("name", PRESETS)
def test_the_docs_have_the_settings_of_a_preset(name: str) -> None:
    written = dict(re.findall(r"`--([a-z-]+) ([\w.-]+)`", docs_table()[name][1]))
    settings = PRESETS[name].settings
    assert written == {
        known.replace("_", "-"): f"{v:g}" if isinstance(v, float) else str(v)
        for known, v in settings.items()
    }


@pytest.mark.parametrize("name", PRESETS)
def test_the_docs_say_what_a_preset_leaves_out(name: str) -> None:
    assert docs_table()[name][2] == PRESETS[name].left_out
