"""Networks for other programs, through the real program."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.cli.program import kextract
from tests.common import check

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


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "--format: name the format"),
        (("--int8", "--float16"), "--int8, --float16: choose one"),
        (("-o", "n.tflite", "--int8", "--calibrate", "no.npz"), "--calibrate: no.npz"),
        (("--format", "savedmodel", "-o", "."), "is not a SavedModel"),
        (("-o", "x.keras", "--input-range", "5"), "--input-range 5"),
        (("-o", "x.keras", "--input-range", "imagenet"), "is for images of 3 channels"),
    ],
)
def test_what_cannot_be_is_refused_by_its_flag(
    words: tuple[str, ...], named: str, folder: Path
) -> None:
    assert named in kextract("export", "teacher.weights.h5", *words, cwd=folder).refusal()
