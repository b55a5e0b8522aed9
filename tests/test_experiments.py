"""The studies are bash; what they would run is what the program takes."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import kextract

FOLDER = Path(__file__).parents[1] / "experiments"
STUDIES = sorted(path for path in FOLDER.glob("*.sh") if path.name != "common.sh")


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_every_command_of_a_study_is_one_that_the_program_takes(
    study: Path, tmp_path: Path
) -> None:
    stub = tmp_path / "kextract"
    stub.write_text(f'#!/usr/bin/env bash\necho "${{@@Q}}" >>{tmp_path}/commands\n')
    stub.chmod(0o755)
    done = subprocess.run(
        ["bash", study, tmp_path / "out"],
        cwd=FOLDER.parent,
        env={**os.environ, "KEXTRACT": str(stub), "JOBS": "1", "SEEDS": "0 1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

    commands = [shlex.split(line) for line in (tmp_path / "commands").read_text().splitlines()]
    assert any(words[0] == "compare" for words in commands)
    for words in commands:
        parsed = kextract(*words, "--dry-run", cwd=tmp_path)
        assert parsed.code == 0, (words, parsed.stderr)
