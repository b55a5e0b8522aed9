"""The main job through the real program: teacher, student, evaluation, comparison."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.program import kextract
from tests.common import check

SHORT = ("--epochs", "2", "--steps-per-epoch", "2", "--batch-size", "4", "--precision", "float32")
NOISE = (
    *("distill", "teacher.weights.h5", "--method", "adversarial", *SHORT),
    *("--noise-iterations", "5"),
)


@pytest.fixture(scope="module")
def student(workshop: Path) -> Path:
    """A student of the workshop's teacher by adversarial noise, which leaves the teacher alone."""
    before = (workshop / "teacher.weights.h5").read_bytes()
    made = kextract(*NOISE, "--format", "json", cwd=workshop)
    assert made.code == 0, made.stderr
    assert (workshop / "teacher.weights.h5").read_bytes() == before
    (workshop / "student.json").write_text(made.stdout)
    return workshop / "checkpoints" / "teacher-adversarial.weights.h5"


def test_every_line_of_a_run_fits_its_schema(student: Path, workshop: Path) -> None:
    events = [json.loads(line) for line in (workshop / "student.json").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", *["epoch"] * 3, "end"]
    for event in events:
        check(event, "run")
    assert [path.name for path in student.parent.iterdir()] == [student.name]


def test_what_inspect_and_list_write_fits_their_schemas(student: Path, workshop: Path) -> None:
    for name in ("teacher.weights.h5", student):
        done = kextract("inspect", name, "--format", "json", cwd=workshop)
        check(json.loads(done.stdout), "inspection")
    check(json.loads(kextract("list", "--format", "json").stdout), "names")


def test_images_without_labels_give_the_agreement_that_labelled_ones_give(
    student: Path, workshop: Path, tmp_path: Path
) -> None:
    with np.load(workshop / "shades.npz") as images:
        np.savez(tmp_path / "unlabelled.npz", allow_pickle=False, x=images["x_test"])
    words = ("evaluate", student, "--against", "teacher.weights.h5", "--format", "json")
    labelled, unlabelled = (
        json.loads(kextract(*words, *more, cwd=workshop).stdout)
        for more in ((), ("--images", tmp_path / "unlabelled.npz"))
    )
    check(labelled, "evaluation")
    assert unlabelled["agreement"] == labelled["agreement"]
    assert unlabelled["kl"] == pytest.approx(labelled["kl"])
    assert (unlabelled["accuracy"], unlabelled["split"], unlabelled["per_class"]) == (
        *(None, None, []),
    )
    (tmp_path / "photographs").mkdir()
    Image.new("RGB", (50, 40), "teal").save(tmp_path / "photographs" / "1.png")
    gated = kextract(
        *("evaluate", "teacher.weights.h5", "--against", "teacher.weights.h5"),
        *("--images", tmp_path / "photographs", "--min-agreement", "1"),
        cwd=workshop,
    )
    assert gated.code == 0, gated.stderr
    assert "accuracy" not in gated.stdout


def test_a_checkpoint_agrees_with_its_own_record_of_the_test_images(workshop: Path) -> None:
    info = json.loads(
        kextract("inspect", "teacher.weights.h5", "--format", "json", cwd=workshop).stdout
    )
    measured = kextract("evaluate", "teacher.weights.h5", "--format", "json", cwd=workshop)
    assert json.loads(measured.stdout)["loss"] == pytest.approx(info["test"]["loss"], abs=1e-5)
