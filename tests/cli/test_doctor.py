import json
from importlib.metadata import version
from pathlib import Path

import pytest

from kextract.cli import doctor
from kextract.cli.doctor import Finding, diagnose
from tests.cli.program import kextract
from tests.common import check


def no_devices() -> list[Finding]:
    return []


def found(data_dir: Path | None = None) -> dict[str, Finding]:
    return {finding.what: finding for finding in diagnose(data_dir, no_devices)}


def test_a_missing_extra_is_told_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"plots": ("no-such-package",)})
    finding = found()["extra 'plots'"]
    assert finding.status == "optional"
    assert "uv sync --extra plots" in finding.advice


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ('{"image_data_format": "channels_last"}', "ok", "keras.json"),
        ('{"image_data_format": "channels_first"}', "ok", "image_data_format channels_first, in"),
        ("{", "problem", "cannot be read"),
        (None, "ok", "none"),
    ],
)
def test_settings_of_keras_are_named_with_their_file(
    text: str | None, status: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if text is not None:
        (tmp_path / "keras.json").write_text(text)
    finding = found()["keras settings"]
    assert (finding.status, says in finding.found) == (status, True), finding
    assert bool(finding.advice) == (says not in ("none", "keras.json"))


def test_a_backend_of_other_projects_is_shown_as_one_that_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert "KERAS_BACKEND" not in found()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert found()["KERAS_BACKEND"].advice.endswith("kextract computes with tensorflow")


def test_data_sets_are_looked_for_in_the_data_folder_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    (tmp_path / "keras" / "datasets" / "cifar10.tar.gz").write_bytes(b"")
    (tmp_path / "mnist.npz").write_bytes(b"")
    findings = found(tmp_path)
    assert findings["data folder"].found == str(tmp_path)
    assert findings["data set 'mnist'"].found == str(tmp_path / "mnist.npz")
    assert findings["data set 'cifar10'"].found.startswith("downloaded")
    assert findings["data set 'cifar100'"].found == "not here"
    assert findings["data set 'strokes'"].found == "generated, always there"


def test_the_doctor_says_what_is_here_and_how_to_get_the_rest(tmp_path: Path) -> None:
    done = kextract("doctor", "--data-dir", tmp_path, "--format", "json")
    assert done.code == 0, done.stderr
    findings = json.loads(done.stdout)
    check(findings, "doctor")
    found = {finding["what"]: finding["found"] for finding in findings}
    assert found["keras"] == version("keras")
    assert found["data folder"] == str(tmp_path)
    assert "CPU:0" in found["devices"]


def test_the_doctor_fails_where_something_is_wrong(tmp_path: Path) -> None:
    done = kextract("doctor", "--data-dir", tmp_path / "none")
    assert done.code == 1
    assert "data folder: correct KEXTRACT_DATA or --data-dir" in done.stderr
    assert "no such folder" in done.stdout


def test_a_folder_that_an_unexpanded_tilde_made_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "folder '~'" not in found()
    (tmp_path / "~").mkdir()
    assert found()["folder '~'"].found == str(tmp_path / "~")
