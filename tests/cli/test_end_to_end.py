"""The main job through the real program: teacher, student, evaluation, comparison."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import write_images
from tests.cli.program import kextract
from tests.schema import check

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


def test_json_lines_hold_the_numbers_of_the_table(student: Path, workshop: Path) -> None:
    events = [json.loads(line) for line in (workshop / "student.json").read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2]

    shown = kextract("compare", student, "--epochs", "--format", "table", cwd=workshop)
    lines = [line.split() for line in shown.stdout.splitlines()]
    rows = {words[0]: words for words in lines if words and words[0] in ("0", "1", "2")}
    for epoch in epochs:
        loss, accuracy = rows[str(epoch["epoch"])][1:3]
        assert (loss, accuracy) == (f"{epoch['loss']:.4f}", f"{epoch['accuracy']:.4f}")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_student_again(student: Path, workshop: Path) -> None:
    kextract(*NOISE, "-o", "again.weights.h5", cwd=workshop)
    first, again = (
        json.loads(kextract("inspect", path, "--format", "json", cwd=workshop).stdout)
        for path in (student, "again.weights.h5")
    )
    assert first["sha256"] == again["sha256"]
    for one, other in zip(first["history"], again["history"], strict=True):
        assert [one["loss"], one["accuracy"]] == [other["loss"], other["accuracy"]]


@pytest.mark.slow
def test_a_student_is_taught_with_images_that_are_drawn_out_of_its_teacher(workshop: Path) -> None:
    """The teacher is a LeNet-5, which has no batch normalization to learn from."""
    small = ("--warm-up", "2", "--round-updates", "2", "--synthesis-batch-size", "6")
    made = kextract(
        *("distill", "teacher.weights.h5", *SHORT, "--method", "inversion", *small),
        *("--preset", "dafl", "--student", "resnet11"),
        *("--output", "drawn.weights.h5", "--format", "json"),
        cwd=workshop,
    )
    assert made.code == 0, made.stderr
    events = [json.loads(line) for line in made.stdout.splitlines()]
    details = [event["details"] for event in events if event["event"] == "epoch"][1:]
    assert len(details) == 2
    for epoch in details:
        assert sum(epoch[f"class_shares/{number}"] for number in range(3)) == pytest.approx(1.0)
        assert {"entropy", "diversity", "confidence", "batch_norm_distance"} <= set(epoch)


@pytest.mark.slow
def test_a_generator_that_has_collapsed_in_the_end_is_told_of(workshop: Path) -> None:
    """One that is to avoid every difference between neighbouring pixels draws one grey."""
    made = kextract(
        *("distill", "teacher.weights.h5", *SHORT, "--method", "inversion", "--warm-up", "60"),
        *("--class-weight", "0", "--tv-weight", "100", "--generator-channels", "2"),
        *("--generator-learning-rate", "0.05", "--synthesis-batch-size", "6", "--epochs", "1"),
        *("--output", "collapsed.weights.h5"),
        cwd=workshop,
    )
    assert made.code == 0, made.stderr
    assert "the generator collapsed in the last epoch" in made.stderr


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


def test_an_agreement_below_the_gate_ends_with_3(student: Path, workshop: Path) -> None:
    words = ("evaluate", student, "--against", "teacher.weights.h5", "--min-agreement", "1")
    gated = kextract(*words, cwd=workshop)
    assert gated.code == 3
    assert "has an agreement of 0." in gated.stderr


def test_a_checkpoint_agrees_with_its_own_record_of_the_test_images(workshop: Path) -> None:
    info = json.loads(
        kextract("inspect", "teacher.weights.h5", "--format", "json", cwd=workshop).stdout
    )
    measured = kextract("evaluate", "teacher.weights.h5", "--format", "json", cwd=workshop)
    assert json.loads(measured.stdout)["loss"] == pytest.approx(info["test"]["loss"], abs=1e-5)


def test_without_the_data_set_a_student_is_taught_all_the_same(
    workshop: Path, tmp_path: Path
) -> None:
    made = kextract(
        *("distill", workshop / "teacher.weights.h5", *SHORT, "--method", "random"),
        *("--output", "blind.weights.h5"),
        cwd=tmp_path,
    )
    assert made.code == 0, made.stderr
    assert "no images to measure on" in made.stderr
    assert "accuracy" not in made.stdout.splitlines()[0]
    shown = kextract("compare", "blind.weights.h5", "--epochs", cwd=tmp_path)
    assert shown.code == 0, shown.stderr


def test_a_test_half_alone_is_enough_to_evaluate(workshop: Path, tmp_path: Path) -> None:
    with np.load(workshop / "shades.npz") as images:
        half = {name: images[name] for name in ("x_test", "y_test")}
        np.savez(tmp_path / "half.npz", allow_pickle=False, **half)
    words = ("evaluate", workshop / "teacher.weights.h5", "--dataset", "half.npz")
    assert kextract(*words, cwd=tmp_path).code == 0
    assert "half" in kextract(*words, "--split", "validation", cwd=tmp_path).refusal()


def test_three_colours_augmentation_and_a_schedule_work_as_well(tmp_path: Path) -> None:
    write_images(tmp_path / "colour.npz", channels=3, side=20)
    made = kextract(
        *("train-teacher", "--dataset", "colour.npz", "--model", "lenet5", "--epochs", "1"),
        *("--augment", "--shift", "2", "--schedule", "cosine", "--format", "quiet"),
        cwd=tmp_path,
    )
    assert made.code == 0, made.stderr
    assert made.stdout.strip() == "checkpoints/colour-lenet5.weights.h5"
