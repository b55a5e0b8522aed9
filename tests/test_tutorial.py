"""The tutorial is run as a reader runs it: block after block, copied into a shell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kextract.storage import read_info
from tests.cli.program import kextract

ROOT = Path(__file__).parents[1]
STORIES = {
    story.splitlines()[0]: "".join(re.findall(r"```bash\n(.*?)```", story, re.DOTALL))
    for story in (ROOT / "docs" / "tutorial.md").read_text().split("\n## ")[1:]
}
RECORDS = """#!/usr/bin/env bash
# Stands for uv: what would be run is written down, and Python is looked at.
if [[ $2 == python ]]; then exec {python} -c "import ast, sys; ast.parse(sys.stdin.read())"; fi
shift 2
echo "${{@@Q}}" >>{folder}/commands
"""
RUNS = """#!/usr/bin/env bash
# Stands for uv: the program is that of these tests.
if [[ $2 == python ]]; then exec {python} "${{@:3}}"; fi
exec {python} -m kextract "${{@:3}}"
"""


def run(story: str, folder: Path, uv: str) -> subprocess.CompletedProcess[str]:
    """Run the blocks of a story in a folder with the checkpoints that come with kextract."""
    (folder / "bin").mkdir()
    stub = folder / "bin" / "uv"
    stub.write_text(uv.format(python=shlex.quote(sys.executable), folder=shlex.quote(str(folder))))
    stub.chmod(0o755)
    shutil.copytree(ROOT / "checkpoints", folder / "checkpoints")
    path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", STORIES[story]],
        cwd=folder,
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


@pytest.mark.parametrize("story", STORIES)
def test_every_command_of_the_tutorial_is_one_that_the_program_takes(
    story: str, tmp_path: Path
) -> None:
    done = run(story, tmp_path, RECORDS)
    assert done.returncode == 0, done.stderr
    for line in (tmp_path / "commands").read_text().splitlines():
        parsed = kextract(*shlex.split(line), "--dry-run", cwd=tmp_path)
        assert parsed.code == 0, (line, parsed.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_a_reader_gets_through_the_tutorial(story: str, tmp_path: Path) -> None:
    done = run(story, tmp_path, RUNS)
    assert done.returncode == 0, done.stderr
    made = {
        path.name.removesuffix(".weights.h5"): read_info(path)
        for path in (tmp_path / "results").rglob("*.weights.h5")
    }
    accuracy = {name: info.test["accuracy"] for name, info in made.items() if info}
    if story == "The article's story":
        assert accuracy["noise"] < 0.3
        assert accuracy["drawn"] > 0.95
    else:
        assert all(value > 0.6 for value in accuracy.values()), accuracy
