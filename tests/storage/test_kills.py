"""`kill -9` at any moment of writing: every file that exists afterwards loads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_every_file_loads_after_writers_were_killed(tmp_path: Path, kills: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.killed", str(tmp_path), str(kills)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] == kills
    assert min(counts["checkpoint"], counts["resume"]) > kills / 2
    assert counts["in the middle of writing"] > 0
    assert counts["left"] == [".model.resume.h5", "model.weights.h5"]
