"""Networks of other programs as teachers, in `.keras` and `.onnx` files, through the commands."""

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

    from kextract.models.architectures import build_model

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


FILES = Path(__file__).parents[1] / "foreign" / "onnx" / "files"
QUICK = ("--epochs", "1", "--steps-per-epoch", "2", "--threads", "1")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of a network of PyTorch's, whose channels are shuffled: none can be removed."""
    folder = tmp_path_factory.mktemp("phone")
    # It was never trained: only wide ranges of pixels make it tell images apart.
    options = ("--method", "shapes", "--input-range=-60,60", *QUICK)
    done = kextract(
        "distill", FILES / "cnn-traced.onnx", "--student", "mobile@0.5", *options,
        "-o", "small.weights.h5", cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    return folder / "small.weights.h5"


def test_what_an_onnx_file_holds_is_shown_with_how_it_was_compared(tmp_path: Path) -> None:
    shown = kextract("inspect", FILES / "cnn-traced.onnx", cwd=tmp_path)
    assert "a network" in shown.stdout
    assert "agrees with onnxruntime on 100.0% of 64 images" in shown.stdout


def test_a_file_is_asked_under_a_budget_where_one_is_given(tmp_path: Path) -> None:
    plan = kextract(
        "distill", FILES / "cnn-traced.onnx", "--student", "lenet5", "--query-budget", "100",
        "--dry-run", cwd=tmp_path,
    )  # fmt: skip
    assert 'method = "queries"' in plan.stdout


def test_a_pytorch_file_is_refused_with_how_to_write_it_as_onnx(tmp_path: Path) -> None:
    """By the lines of the documentation, one for each exporter."""
    (tmp_path / "model.pt").write_bytes(b"PK\3\4")
    said = kextract("inspect", "model.pt", cwd=tmp_path).refusal()
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("torch.onnx.export(")]
    assert len(lines) == 2
    assert all(line in said for line in lines)
