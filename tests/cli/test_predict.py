"""What a classifier says of images without labels, through the real program."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.program import kextract
from tests.common import check
from tests.foreign.keras.examples import save, user_cnn

NAMES = ("low", "middle", "high")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tensorflow: object) -> Path:
    """A folder with a whole model for 16x16x1 pixels of 0 to 255, and images of other sizes."""
    folder = tmp_path_factory.mktemp("predict")
    save(user_cnn(), folder / "mine.keras")
    (folder / "names.txt").write_text("\n".join(NAMES))
    (folder / "images" / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, side in (("a.png", 16), ("b.jpg", 40), ("more/c.png", 16)):
        pixels = random.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
    np.savez(folder / "some.npz", x=random.integers(0, 256, (4, 16, 16), np.uint8))
    return folder


def expected(folder: Path) -> np.ndarray:
    import keras

    pixels = np.load(folder / "some.npz")["x"][..., None].astype(np.float32)
    model = keras.models.load_model(folder / "mine.keras")
    return np.asarray(model(pixels, training=False))


def test_probabilities_are_those_of_the_network(folder: Path) -> None:
    shown = kextract("predict", "mine.keras", "some.npz", "--format", "json", cwd=folder)
    assert shown.code == 0, shown.stderr
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    for row in found:
        check(row, "prediction")
    shares = expected(folder)
    np.testing.assert_allclose([row["probabilities"] for row in found], shares, atol=1e-5)
    assert [row["label"] for row in found] == shares.argmax(axis=1).tolist()
    assert "is given pixels as 0..255: its layer 'conv2d" in shown.stderr


def test_a_spreadsheet_has_a_column_for_each_class(folder: Path) -> None:
    words = ("--class-names", "names.txt", "--format", "csv")
    shown = kextract("predict", "mine.keras", "some.npz", *words, cwd=folder)
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    columns = [f"{label}_{name}" for label, name in enumerate(NAMES)]
    found = [[float(row[column]) for column in columns] for row in rows]
    np.testing.assert_allclose(found, expected(folder), atol=1e-5)
    assert [row["class"] for row in rows] == [NAMES[i] for i in expected(folder).argmax(axis=1)]


def test_images_in_a_folder_are_named_and_may_be_of_any_size(folder: Path) -> None:
    shown = kextract("predict", "mine.keras", "images", "--class-names", "names.txt", cwd=folder)
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == [
        *("image", "a.png", "b.jpg", "more/c.png")
    ]
    assert "images: 3 images used\n" in shown.stderr
    one = kextract("predict", "mine.keras", "images/a.png", "--format", "json", cwd=folder)
    assert json.loads(one.stdout)["image"] == "a.png"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["mine.keras", "nowhere"],
            "nowhere: expected an image, .png, .jpg, .gif, .webp,",
        ),
        (["mine.keras", "names.txt"], "found another kind of file"),
        (["nowhere.keras", "images"], "'nowhere.keras': no such file"),
        (["mine.keras", "images", "--class-names", "images"], "--class-names images"),
        (["mine.keras", "images", "--input-range", "caffe"], "images of 3 channels"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(words: list[str], says: str, folder: Path) -> None:
    assert says in kextract("predict", *words, cwd=folder).refusal()
