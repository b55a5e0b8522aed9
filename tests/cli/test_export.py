"""Networks for other programs, through the real program."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kextract as kextract_api
from tests.cli.program import kextract
from tests.schema import check

ONE = ("--threads", "1")


@pytest.fixture(scope="module")
def folder(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the workshop's teacher in it."""
    place = tmp_path_factory.mktemp("export")
    for name in ("teacher.weights.h5", "shades.npz"):
        (place / name).write_bytes((workshop / name).read_bytes())
    return place


def test_the_ending_of_the_output_says_the_format_and_the_tables_what_came_of_it(
    folder: Path,
) -> None:
    words = ("export", "teacher.weights.h5", "-o", "a.keras", "--softmax", "--input-range", "0,255")
    done = kextract(*words, *ONE, "--dataset", "shades.npz", cwd=folder)
    assert done.code == 0, done.stderr
    lines = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines() if line}
    assert lines["what it gives"][-1] == "probabilities"
    assert lines["pixels it takes"][-1] == "0..255"
    assert lines["procedural"][1:3] == ["256", "1.0000"]
    name, count, agreement, *_, accuracy, reference = lines["test"]
    assert (name, count, agreement) == ("test", "60", "1.0000")
    assert accuracy == reference
    with np.load(folder / "shades.npz") as arrays:
        pixels, labels = arrays["x_test"].astype(np.float32), arrays["y_test"]
    probabilities = keras.models.load_model(folder / "a.keras")(pixels).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert float(accuracy) == pytest.approx(
        (probabilities.argmax(axis=1) == labels).mean(), abs=5e-5
    )


@pytest.mark.slow
def test_a_student_gives_what_its_teacher_gave(folder: Path) -> None:
    inputs = keras.Input((16, 16, 1))
    probabilities = keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(inputs))
    teacher = keras.Model(inputs, probabilities)
    run = kextract_api.distill(
        teacher, "lenet5", method="random", epochs=1, steps_per_epoch=1, input_range=(0, 255)
    )
    run.save(folder / "student.weights.h5")
    for more, given in (((), "probabilities"), (("--logits",), "logits")):
        words = ("export", "student.weights.h5", "--json", "-o", f"{given}.keras", *more)
        report = json.loads(kextract(*words, *ONE, cwd=folder).stdout)
        assert report["outputs"] == given


def test_json_is_all_that_is_printed(folder: Path) -> None:
    words = ("export", "teacher.weights.h5", "--int8", "--json", "-o", "b.tflite")
    done = kextract(*words, *ONE, "--calibrate", "shades.npz", cwd=folder)
    assert (done.code, done.stderr) == (0, "shades.npz: 60 images used, those of x_train\n")
    report = json.loads(done.stdout)
    check(report, "export")
    assert (report["format"], report["arithmetic"]) == ("tflite", "int8")
    assert (report["calibration"], report["calibrated_on"]) == (40, "given")
    assert report["comparisons"][0]["images"] == 20
    assert report["bytes"] == (folder / "b.tflite").stat().st_size


def test_without_data_integers_are_calibrated_on_made_up_images(folder: Path) -> None:
    words = ("export", "teacher.weights.h5", "--int8", "--json", "--min-agreement", "0.5")
    done = kextract(*words, *ONE, cwd=folder)
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["path"] == str(Path("checkpoints") / "teacher-int8.tflite")
    assert (report["calibration"], report["calibrated_on"]) == (512, "procedural")


def test_what_does_not_agree_is_not_written_and_exits_with_3(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inverted(path: Path, format: str) -> Any:
        classifier = open_runtime(path, format)
        return lambda pixels: -classifier(pixels)

    from kextract.exports.exporting import open_runtime

    monkeypatch.setattr("kextract.exports.exporting.open_runtime", inverted)
    done = kextract("export", "teacher.weights.h5", "-o", "c.keras", *ONE, cwd=folder)
    assert done.code == 3
    assert "not written: the exported network agrees with the checkpoint on" in done.stderr
    assert not (folder / "c.keras").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("-o", "a.pb"), "--format keras|savedmodel|tflite|onnx"),
        ((), "--format: name the format"),
        (("--int8", "--float16"), "--int8, --float16: choose one"),
        (("--int8", "--format", "onnx"), "--int8: is for --format tflite"),
        (
            ("--format", "onnx", "--calibrate", "shades.npz"),
            "--calibrate shades.npz: is for --int8",
        ),
        (("-o", "n.tflite", "--int8", "--calibrate", "no.npz"), "--calibrate: no.npz"),
        (("--format", "savedmodel", "-o", "."), "is not a SavedModel"),
        (
            ("-o", "teacher.keras", "--min-agreement", "2"),
            "2.0: must be from 0 to 1",
        ),
        (("-o", "x.keras", "--input-range", "5"), "--input-range 5"),
        (("-o", "x.keras", "--input-range", "imagenet"), "is for images of 3 channels"),
    ],
)
def test_what_cannot_be_is_refused_by_its_flag(
    words: tuple[str, ...], named: str, folder: Path
) -> None:
    assert named in kextract("export", "teacher.weights.h5", *words, cwd=folder).refusal()


def test_what_was_exported_to_keras_is_read_as_a_teacher(folder: Path) -> None:
    made = kextract("export", "teacher.weights.h5", "-o", "again.keras", *ONE, cwd=folder)
    assert made.code == 0, made.stderr
    words = ("evaluate", "--dataset", "shades.npz", "--format", "json")
    own, read = (
        json.loads(kextract(*words, name, cwd=folder).stdout)["cross_entropy"]
        for name in ("teacher.weights.h5", "again.keras")
    )
    assert own == pytest.approx(read, rel=1e-4)


def test_class_names_of_a_folder_of_images_are_in_the_file(folder: Path) -> None:
    with zipfile.ZipFile(folder / "b.tflite") as file:
        assert len(file.read("labels.txt").decode().splitlines()) == 3
