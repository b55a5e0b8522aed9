"""What the scripts of studies would run is what the program takes; all benchmarks run."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.timing import Elsewhere, compare
from tests.cli.program import kextract

FOLDER = Path(__file__).parents[1] / "experiments"
TEACHER = FOLDER.parent / "checkpoints" / "strokes-resnet11.weights.h5"
STUDIES = sorted(path for path in FOLDER.glob("*.sh") if path.name not in {"common.sh", "sweep.sh"})


def noting_its_commands(folder: Path) -> Path:
    """Make a program that does nothing but write what it was called with to folder/commands."""
    program = folder / "kextract"
    program.write_text(f'#!/usr/bin/env bash\necho "${{@@Q}}" >>{folder}/commands\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_every_command_of_a_study_is_one_that_the_program_takes(
    study: Path, tmp_path: Path
) -> None:
    stub = noting_its_commands(tmp_path)
    done = subprocess.run(
        ["bash", study, tmp_path / "out"],
        cwd=FOLDER.parent,
        env={**os.environ, "KEXTRACT": str(stub), "PYTHON": "true", "JOBS": "1", "SEEDS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

    commands = [shlex.split(line) for line in (tmp_path / "commands").read_text().splitlines()]
    assert any(words[0] in {"compare", "evaluate"} for words in commands)
    for words in commands:
        parsed = kextract(*words, "--dry-run", cwd=tmp_path)
        assert parsed.code == 0, (words, parsed.stderr)


def swept(
    folder: Path,
    script: Path = FOLDER / "sweep.sh",
    configs: tuple[str, ...] = ("a.toml", "b c.toml"),
    **settings: str,
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Sweep two configuration files, one with a blank in its name, with a stub of the program."""
    stub = noting_its_commands(folder)
    (folder / "a.toml").write_text('[distill]\nmethod = "shapes"\n')
    (folder / "b c.toml").write_text("[distill]\nepochs = 2\n")
    done = subprocess.run(
        ["bash", script, TEACHER, folder / "out", *configs],
        cwd=folder,
        env={**os.environ, "KEXTRACT": str(stub), "SEEDS": "0 1", "JOBS": "1", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    commands = folder / "commands"
    lines = commands.read_text().splitlines() if commands.exists() else []
    return done, [shlex.split(line) for line in lines]


def test_a_sweep_makes_one_student_for_each_configuration_and_seed(tmp_path: Path) -> None:
    done, (*students, last) = swept(tmp_path)
    assert done.returncode == 0, done.stderr
    assert last[0] == "compare"
    for words in students:
        assert words[:2] == ["distill", str(TEACHER)]
        assert kextract(*words, "--dry-run", cwd=tmp_path).code == 0
    made = [
        (words[words.index("--config") + 1], words[words.index("--seed") + 1]) for words in students
    ]
    assert made == [("a.toml", "0"), ("b c.toml", "0"), ("a.toml", "1"), ("b c.toml", "1")]
    assert len({words[-1] for words in students}) == 4


def test_a_task_of_a_slurm_array_makes_the_student_of_its_number(tmp_path: Path) -> None:
    copy = Path(shutil.copy(FOLDER / "sweep.sh", tmp_path / "slurm_script"))
    done, (student,) = swept(
        tmp_path, copy, SLURM_ARRAY_TASK_ID="2", SLURM_SUBMIT_DIR=str(FOLDER.parent)
    )
    assert done.returncode == 0, done.stderr
    assert student[student.index("--config") + 1] == "a.toml"
    assert student[student.index("--seed") + 1] == "1"


def test_two_configurations_of_the_same_name_are_refused(tmp_path: Path) -> None:
    done, students = swept(tmp_path, configs=("a.toml", "other/a.toml"))
    assert (done.returncode, students) == (1, [])
    assert "two configurations are called a.toml" in done.stderr


def test_a_linear_probe_tells_apart_what_a_line_separates_and_no_more() -> None:
    spec = importlib.util.spec_from_file_location("study", FOLDER / "article_question.py")
    assert spec is not None and spec.loader is not None
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    random = np.random.default_rng(0)
    labels = np.repeat([5, 7, 9], 40)
    apart = random.normal(size=(120, 4)) + 6 * np.eye(4)[(labels - 5) // 2]
    alike = random.normal(size=(120, 4))
    for features, low, high in ((apart, 0.95, 1.0), (alike, 0.1, 0.6)):
        predicted = study.ridge(features[::2], labels[::2], features[1::2])
        assert low <= (predicted == labels[1::2]).mean() <= high


def test_a_number_that_a_contender_returns_is_no_time() -> None:
    """But that of another process is, whose work this one's clock does not see."""
    contenders = {"here": lambda: 1234.5, "elsewhere": lambda: Elsewhere(6.0)}
    seconds = compare(
        "two", contenders, Namespace(clock="wall", rounds=2, smallest=False), repeats=3
    )
    assert max(seconds["here"]) < 100
    assert seconds["elsewhere"] == [6.0, 6.0]


BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# One waits for another program, the other two are parts of all.
PARTS = ("__init__", "pytorch_step", "timing")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted({path.stem for path in BENCHMARKS.glob("*.py")}.difference(PARTS))
)
def test_every_benchmark_prints_its_tables(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--threads", "1", "--smallest"]
    ran = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "|" in ran.stdout
