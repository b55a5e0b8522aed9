"""Several runs at once: names by template, batches that are repeated, metrics, tables and plots."""

import csv
import io
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.program import kextract, kextract_acted_on
from tests.common import check
from tests.display.test_tensorboard import read

SHORT = (
    *("--epochs", "2", "--steps-per-epoch", "2", "--batch-size", "4", "--precision", "float32"),
    *("--method", "random"),
)
TEMPLATE = "study/{teacher}-{student}-{method}-s{seed}.weights.h5"
NAMES = [f"teacher-lenet5-random-s{seed}.weights.h5" for seed in (0, 1)]


@pytest.fixture(scope="module")
def study(workshop: Path) -> Path:
    """A folder with two students that differ in their seed, and the metrics of the first."""
    for seed in (0, 1):
        more = ("--metrics", "study/{seed}.jsonl") if seed == 0 else ()
        made = kextract(
            *("distill", "teacher.weights.h5", *SHORT, "--seed", seed, "--output", TEMPLATE),
            *("--dataset", "shades.npz", *more),
            cwd=workshop,
        )
        assert made.code == 0, made.stderr
    return workshop / "study"


def test_a_batch_that_is_repeated_leaves_finished_runs_alone(study: Path, workshop: Path) -> None:
    before = (study / NAMES[0]).read_bytes()
    again = kextract(
        *("distill", "teacher.weights.h5", *SHORT, "--output", TEMPLATE, "--skip-existing"),
        *("--format", "quiet"),
        cwd=workshop,
    )
    assert (again.code, again.stdout) == (0, f"study/{NAMES[0]}\n")
    assert "skipped" in again.stderr
    assert (study / NAMES[0]).read_bytes() == before


def test_a_batch_that_is_repeated_continues_what_was_stopped(workshop: Path, network: Path) -> None:
    words = (
        *("distill", "teacher.weights.h5", "--method", "random", "--epochs", "3"),
        *("--student", network),
        *("--steps-per-epoch", "2", "--batch-size", "4", "--precision", "float32"),
        *("--dataset", "shades.npz", "--output", "stopped.weights.h5", "--skip-existing"),
        *("--metrics", "stopped.csv", "--tensorboard", "boards/stopped", "--format", "plain"),
    )
    stopped = kextract_acted_on(
        2, lambda: os.kill(os.getpid(), signal.SIGINT), *words, cwd=workshop
    )
    assert stopped.code == 130
    done = kextract(*words, cwd=workshop)
    assert done.code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((workshop / "stopped.csv").read_text())))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    found = read(workshop / "boards" / "stopped")
    assert [step for step, _ in found["validation/loss"]] == [0, 1, 2, 3]
    assert [step for step, _ in found["images"]] == [1, 2, 3]


def test_what_compare_writes_fits_its_schema(study: Path) -> None:
    for more in ((), ("--epochs",), ("--group-by", "seed")):
        shown = kextract("compare", f"{study}/*.weights.h5", "--format", "json", *more)
        check(json.loads(shown.stdout), "comparison")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--group-by", "metod"), "(--group-by) 'metod': did you mean 'method'? choose one of:"),
        (("--plot", "plot.pdf"), "--plot: 'plot.pdf' must end in .png or .svg"),
        (("--plot", "plot.png", "--plot-by", "size"), "choose one of: epoch, parameters"),
    ],
)
def test_what_compare_cannot_do_is_refused(
    words: tuple[str, ...], message: str, study: Path
) -> None:
    refused = kextract("compare", f"{study}/*.weights.h5", *words, cwd=study)
    assert message in refused.refusal()


def test_a_plot_is_written_and_not_replaced(study: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra kextract[plots]")
    drawn = ("--plot", tmp_path / "a.svg", "--plot-by", "parameters")
    words = ("compare", f"{study}/*.weights.h5", *drawn)
    assert "wrote the plot" in kextract(*words).stderr
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert "exists already; pass --overwrite" in kextract(*words).refusal()
    assert kextract(*words, "--overwrite").code == 0


def test_a_report_has_the_teacher_that_lies_beside_its_student(
    study: Path, workshop: Path, tmp_path: Path
) -> None:
    shutil.copy(workshop / "teacher.weights.h5", tmp_path)
    shutil.copy(study / NAMES[0], tmp_path / "<b>.weights.h5")
    done = kextract("report", tmp_path / "<b>.weights.h5", "-o", tmp_path / "r.html")
    assert done.code == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'r.html'}\n"
    page = (tmp_path / "r.html").read_text()
    assert "What students learned from teacher (shades.npz)" in page
    assert "<td>teacher</td><td>&lt;b&gt;</td>" in page
    assert "[distill]\n" in page
    assert "The student has learned little: it agrees with its teacher on" in page
    assert "<b>" not in page
