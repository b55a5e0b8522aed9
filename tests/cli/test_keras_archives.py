"""Somebody's own `.keras` file as a teacher, through the real program."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import write_images
from tests.cli.program import kextract
from tests.foreign.keras.examples import save, user_cnn, with_config

SHORT = (
    *("--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "4"),
    *("--method", "random", "--student", "lenet5-half", "--precision", "float32"),
)
RANGE = ("--input-range", "0,255")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tensorflow: object) -> Path:
    """A folder with a data set and somebody's classifier of it, which takes pixels 0 to 255."""
    folder = tmp_path_factory.mktemp("archive")
    write_images(folder / "shades.npz")
    model = user_cnn()
    save(model, folder / "mine.keras")
    return folder


def facts(path: str, cwd: Path) -> dict[str, object]:
    shown = kextract("inspect", path, "--format", "json", cwd=cwd)
    assert shown.code == 0, shown.stderr
    found: dict[str, object] = json.loads(shown.stdout)
    return found


def test_a_student_is_taught_without_any_data(folder: Path) -> None:
    made = kextract("distill", "mine.keras", *SHORT, *RANGE, "-o", "blind.weights.h5", cwd=folder)
    assert made.code == 0, made.stderr
    assert "name them with --dataset" in made.stderr
    student = facts("blind.weights.h5", folder)
    assert (student["model"], student["dataset"]) == ("lenet5-half", "unknown")
    assert student["teacher"] == "mine.keras"
    assert student["teacher_sha256"] == facts("mine.keras", folder)["sha256"]
    refused = kextract("evaluate", "blind.weights.h5", cwd=folder)
    assert "--dataset" in refused.refusal()


def test_with_a_data_set_student_and_teacher_are_measured(folder: Path) -> None:
    made = kextract(
        *("distill", "mine.keras", *SHORT, *RANGE, "--dataset", "shades.npz"),
        *("--format", "json"),
        cwd=folder,
    )
    assert made.code == 0, made.stderr
    epochs = [json.loads(line) for line in made.stdout.splitlines()]
    assert all("agreement" in event for event in epochs if event["event"] == "epoch")
    measured = kextract(
        *("evaluate", "checkpoints/mine-lenet5-half-random.weights.h5", "mine.keras"),
        *("--against", "mine.keras", "--dataset", "shades.npz", *RANGE, "--format", "json"),
        cwd=folder,
    )
    student, teacher = (json.loads(line) for line in measured.stdout.splitlines())
    assert (teacher["agreement"], teacher["kl"]) == (1.0, 0.0)
    assert student["dataset"] == "shades"


def test_the_range_of_pixels_decides_what_the_teacher_answers(folder: Path) -> None:
    words = ("evaluate", "mine.keras", "--dataset", "shades.npz", "--format", "json")
    right, found, wrong = (
        json.loads(kextract(*words, *more, cwd=folder).stdout)
        for more in (RANGE, (), ("--input-range=-1,1",))
    )
    assert right["cross_entropy"] == found["cross_entropy"] != wrong["cross_entropy"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["distill", "mine.keras"], "name the student's with --student"),
        (["distill", "mine.keras", *SHORT, "--model", "lenet5"], "leave --model out"),
        (["evaluate", "mine.keras"], "name them with --dataset"),
        (["distill", "evil.keras", *SHORT], "layer 'flatten' is of class 'os.system'"),
        (["compare", "mine.keras"], "without a history to compare"),
        (["inspect", "evil.keras"], "layer 'flatten' is of class 'os.system'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: list[str], says: str, folder: Path) -> None:
    def change(config: dict[str, dict[str, list[dict[str, object]]]]) -> None:
        for item in config["config"]["layers"]:
            if item["class_name"] == "Flatten":
                item.update(module="os", class_name="system")
                item["config"] = {"name": "flatten"}

    (folder / "evil.keras").write_bytes(with_config((folder / "mine.keras").read_bytes(), change))
    assert says in kextract(*words, cwd=folder).refusal()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_plain_weights_of_a_known_network_take_a_range_too(workshop: Path, tmp_path: Path) -> None:
    import keras

    from kextract.models.build import build_model

    model = build_model("lenet5", (16, 16, 1), 3)
    model.save_weights(tmp_path / "plain.weights.h5")
    theirs = keras.Sequential(
        [keras.Input((16, 16, 1)), keras.layers.Rescaling(127.5, 127.5), model]
    )
    save(theirs, tmp_path / "same.keras")
    words = ("--dataset", workshop / "shades.npz", "--format", "json")
    plain, same = (
        json.loads(kextract("evaluate", *file, *words, cwd=tmp_path).stdout)
        for file in (
            ("plain.weights.h5", "--model", "lenet5", "--input-range", "0,255"),
            ("same.keras",),
        )
    )
    assert plain["cross_entropy"] == pytest.approx(same["cross_entropy"], rel=1e-5)


def test_a_range_is_refused_for_a_checkpoint_that_says_its_own(workshop: Path) -> None:
    for command in ("distill", "evaluate"):
        refused = kextract(command, "teacher.weights.h5", "--input-range", "0,1", cwd=workshop)
        assert "leave --input-range out" in refused.refusal()


@pytest.mark.slow
def test_a_student_begins_as_its_teacher_with_fewer_channels(folder: Path) -> None:
    """And its file is all that is needed to measure it, to export it, and to teach by it."""
    made = kextract(
        *("distill", "mine.keras", *SHORT, *RANGE, "--dataset", "shades.npz"),
        *("--student", "teacher@0.9", "-o", "part.weights.h5", "--format", "json"),
        cwd=folder,
    )
    assert made.code == 0, made.stderr
    events = [json.loads(line) for line in made.stdout.splitlines()]
    untrained = next(event for event in events if event["event"] == "epoch")
    assert untrained["agreement"] > 0.9
    shared = ("part.weights.h5", "--dataset", "shades.npz", "--format", "json")
    measured = kextract("evaluate", *shared, "--against", "mine.keras", *RANGE, cwd=folder)
    assert measured.code == 0, measured.stderr
    exported = kextract("export", "part.weights.h5", "-o", "part.keras", cwd=folder)
    assert exported.code == 0, exported.stderr
    of_whole, of_part = (facts(name, folder) for name in ("mine.keras", "part.keras"))
    assert of_part["multiply_adds"] <= 0.9 * of_whole["multiply_adds"]  # type: ignore[operator]
    teacher, student = events[0]["networks"]
    assert f"{of_whole['parameters']:,} parameters" in teacher
    assert f"{of_part['parameters']:,} parameters" in student
    again = (*SHORT, "--dataset", "shades.npz", "-o", "next.weights.h5")
    taught = kextract("distill", "part.weights.h5", *again, cwd=folder)
    assert taught.code == 0, taught.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--student", "teacher@2"), "share of the teacher's multiply-adds"),
        (("--student", "teacher@0.5", "--access", "labels"), "is a black box, of which"),
    ],
)
def test_a_part_of_the_teacher_that_cannot_be_had_is_refused(
    words: tuple[str, ...], says: str, folder: Path
) -> None:
    more = ("--method", "random") if "--access" not in words else ("--query-budget", "100")
    refused = kextract("distill", "mine.keras", *words, *RANGE, *more, cwd=folder)
    assert says in refused.refusal()
