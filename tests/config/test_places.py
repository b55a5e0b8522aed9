"""Paths and files of settings as shells, editors and people hand them over."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kextract.config.files import preset
from kextract.config.option import convert, table
from kextract.config.requests import REQUESTS
from kextract.config.resolve import environment_layer, settings_of_checkpoint
from tests.storage.examples import INFO

PATHS = [
    (command, entry)
    for command, cls in REQUESTS.items()
    for entry in table(cls).values()
    if entry.kind in (Path, tuple)
]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_every_path_begins_at_home_that_begins_with_a_tilde(home: Path) -> None:
    for _, entry in PATHS:
        for value in ("~/a/b", Path("~/a/b")):
            found = convert(entry, value, "")
            assert found == ((home / "a/b",) if entry.kind is tuple else home / "a/b"), entry.name


def test_variables_are_expanded_as_well(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEXTRACT_DATA", "~/data")
    monkeypatch.setenv("KEXTRACT_DISTILL_STUDENT", "~/own.keras")
    found = environment_layer("distill", table(REQUESTS["distill"])).values
    assert found["data_dir"] == home / "data"
    assert found["student"] == str(home / "own.keras")


@pytest.mark.parametrize("given", ["~nobody-of-this-name/x", "a~", "a/~/b", "./~/b"])
def test_any_other_tilde_is_part_of_a_name(home: Path, given: str) -> None:
    assert convert(table(REQUESTS["doctor"])["data_dir"], given, "") == Path(given)


def test_a_preset_is_found_at_home(home: Path) -> None:
    (home / "mine.toml").write_text("[distill]\nepochs = 7\n")
    assert preset("~/mine.toml").settings == {"epochs": 7}


@pytest.mark.parametrize(
    "config",
    [{"options": {"variation_weight": 0.5}}, {"inversion": {"variation_weight": 0.5}}],
)
def test_a_checkpoint_s_options_are_given_back_by_their_new_names(config: dict[str, Any]) -> None:
    info = replace(INFO, config=config)
    assert tomllib.loads(settings_of_checkpoint(info))["distill"]["tv-weight"] == 0.5
