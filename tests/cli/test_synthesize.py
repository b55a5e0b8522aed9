"""Images synthesized from a teacher, through the real program."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.transfer_images import load_transfer_images
from kextract.runs.synthesis import class_grid, image_grid
from tests.cli.program import kextract

QUICK = (
    *("--steps", "3", "--per-class", "4", "--generator-channels", "2", "--latent-size", "4"),
    *("--synthesis-batch-size", "6", "--precision", "float32", "--threads", "1"),
)


def test_a_picture_has_a_row_for_each_class(
    workshop: Path, tmp_path: Path, tensorflow: Any
) -> None:
    """Without the teacher's data set, which is not there."""
    made = kextract(
        *("synthesize", workshop / "teacher.weights.h5", *QUICK, "--zoom", "3"),
        *("-o", "new/images.png"),
        cwd=tmp_path,
    )
    assert made.code == 0, made.stderr
    grid = tensorflow.io.decode_png((tmp_path / "new" / "images.png").read_bytes()).numpy()
    assert grid.shape == (3 * (48 + 2) - 2, 4 * (48 + 2) - 2, 1)
    first, *others = made.stdout.splitlines()
    assert first.split() == ["images", "new/images.png"]
    assert [line.split()[0] for line in others] == ["requested", "confidence", "diversity"]
    # The workshop's teacher is a lenet5, which does not normalize.
    assert "the teacher has no batch normalization" in made.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["images.png"]


@pytest.fixture(scope="module")
def drawn(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An archive of images, and what was said of it."""
    path = tmp_path_factory.mktemp("drawn") / "images.npz"
    words = ("synthesize", "teacher.weights.h5", *QUICK, "-o", path, "--format", "json")
    made = kextract(*words, cwd=workshop)
    assert made.code == 0, made.stderr
    return path, json.loads(made.stdout.splitlines()[-1])["outcome"]


def test_an_archive_holds_images_requested_classes_and_answers(drawn: tuple[Path, Any]) -> None:
    path, outcome = drawn
    with np.load(path) as arrays:
        assert {name: (a.dtype.name, a.shape) for name, a in arrays.items()} == {
            "x": ("uint8", (12, 16, 16, 1)),
            "y": ("int64", (12,)),
            "probabilities": ("float32", (12, 3)),
        }
        probabilities, requested = arrays["probabilities"], arrays["y"]
        np.testing.assert_array_equal(requested, np.repeat([0, 1, 2], 4))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
        # They can be given to a student.
        images = load_transfer_images(str(path), None, (16, 16, 1))
        np.testing.assert_array_equal(images, arrays["x"])
    assert outcome["images"] == str(path)
    assert outcome["requested"] == pytest.approx(np.mean(probabilities.argmax(axis=1) == requested))
    assert outcome["confidence"] == pytest.approx(probabilities.max(axis=1).mean(), rel=1e-5)


def test_a_picture_beyond_all_measure_is_refused(workshop: Path, tmp_path: Path) -> None:
    refused = kextract(
        *("synthesize", "teacher.weights.h5", "-o", tmp_path / "images.png"),
        *("--per-class", "100000", "--zoom", "9"),
        cwd=workshop,
    )
    assert "--per-class 100000" in refused.refusal()


def test_images_go_row_by_row_with_white_between_and_after_them() -> None:
    images = np.array([10, 20, 30], np.uint8).reshape(3, 1, 1, 1)
    assert image_grid(images, columns=2, gap=1)[..., 0].tolist() == [
        [10, 255, 20],
        [255, 255, 255],
        [30, 255, 255],
    ]


def test_a_class_has_a_row_and_its_first_images_are_in_it() -> None:
    images = np.array([10, 20, 30, 40, 50], np.uint8).reshape(5, 1, 1, 1)
    grid = class_grid(images, np.array([2, 0, 2, 2, 0]), classes=3, columns=2, gap=0)
    assert grid[..., 0].tolist() == [[20, 50], [255, 255], [10, 30]]
