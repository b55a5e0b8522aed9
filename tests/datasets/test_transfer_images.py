import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kextract.datasets.image_folders import KINDS
from kextract.datasets.images import fitted
from kextract.datasets.loading import load_dataset
from kextract.datasets.transfer_images import load_transfer_images
from kextract.errors import DatasetError
from tests.datasets.images import png_bytes, random_images, random_labels

GREY, COLOUR = (16, 18, 1), (16, 18, 3)
IMAGES = random_images(5, *COLOUR)


def npz(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "mine.npz", allow_pickle=False, **arrays)
    return str(folder / "mine.npz")


def save(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(image))


def refusal_of(reference: object, shape: tuple[int, int, int] = GREY) -> str:
    with pytest.raises(DatasetError) as refusal:
        load_transfer_images(str(reference), None, shape)
    assert str(refusal.value).startswith("--images: ")
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.usefixtures("_few_strokes")
def test_a_name_gives_the_training_images(tmp_path: Path) -> None:
    strokes = load_dataset("strokes").x_train
    assert strokes is not None
    images = load_transfer_images("strokes", tmp_path / "absent", (28, 28, 1))
    np.testing.assert_array_equal(images, strokes)


def test_a_name_is_looked_for_in_the_data_folder(tmp_path: Path) -> None:
    x = random_images(4, 28, 28)
    y = random_labels(4, 10)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    images = load_transfer_images("mnist", tmp_path, (32, 32, 3))
    np.testing.assert_array_equal(images, fitted(x[..., None], (32, 32, 3)))


@pytest.mark.parametrize("name", ["x_train", "x", "images", "x_test"])
def test_an_npz_needs_no_labels(name: str, tmp_path: Path) -> None:
    images = load_transfer_images(npz(tmp_path, **{name: IMAGES}), None, COLOUR)
    np.testing.assert_array_equal(images, IMAGES)


def test_of_two_halves_the_training_images_are_taken(tmp_path: Path) -> None:
    path = npz(tmp_path, x_train=IMAGES, x_test=IMAGES[:2], y_train=np.array(["what", "ever"]))
    assert len(load_transfer_images(path, None, COLOUR)) == 5


def test_small_images_are_enlarged(tmp_path: Path) -> None:
    small = np.full((2, 3, 2), 77, np.uint8)
    images = load_transfer_images(npz(tmp_path, x=small), None, GREY)
    np.testing.assert_array_equal(images, np.full((2, *GREY), 77))


def test_a_folder_may_hold_images_of_any_size_and_colour(tmp_path: Path) -> None:
    sizes: list[tuple[int, ...]] = [(16, 18), (40, 31, 3), (5, 90), (16, 18, 3)]
    originals = [random_images(*size) for size in sizes]
    for number, image in enumerate(originals):
        save(tmp_path / f"{number}.png", image)
    images = load_transfer_images(str(tmp_path), None, GREY)
    for found, image in zip(images, originals, strict=True):
        channels = image.shape[2] if image.ndim == 3 else 1
        batch = image.reshape(1, *image.shape[:2], channels)
        np.testing.assert_array_equal(found, fitted(batch, GREY)[0])


def test_images_of_sub_folders_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for value, name in enumerate(["a/cat/1.png", "a/dog/1.png", "b/0.PNG"]):
        save(tmp_path / name, np.full((4, 4), value, np.uint8))
    images = load_transfer_images(str(tmp_path), None, GREY)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_of_a_labelled_folder_the_training_half_is_taken(tmp_path: Path) -> None:
    save(tmp_path / "train" / "ant" / "0.png", np.full((4, 4), 100, np.uint8))
    save(tmp_path / "test" / "ant" / "0.png", np.full((4, 4), 200, np.uint8))
    images = load_transfer_images(str(tmp_path), None, GREY)
    assert images[:, 0, 0, 0].tolist() == [100]


def used(folder: Path) -> tuple[int, list[str]]:
    said: list[str] = []
    return len(load_transfer_images(str(folder), None, GREY, say=said.append)), said


def test_all_images_are_taken_where_train_is_a_class(tmp_path: Path) -> None:
    for name in ("bus/0", "bus/1", "ship/0", "train/0"):
        save(tmp_path / f"{name}.png", random_images(4, 4))
    assert used(tmp_path) == (4, [f"{tmp_path}: 4 images used"])


def test_what_is_taken_of_a_divided_data_set_is_said(tmp_path: Path) -> None:
    for name in ("Train/ant/0", "Train/0", "Valid/ant/0", "Valid/ant/1", "more/0"):
        save(tmp_path / f"{name}.png", random_images(4, 4))
    (tmp_path / "README.md").write_text("hello")
    count, (note,) = used(tmp_path)
    assert count == 2
    assert note.startswith(f"{tmp_path}: 2 images used, those of Train/; left out: 2 in Valid/, ")
    assert {*note.split(", ")[2:]} == {"1 .md", "1 in more/"}


def test_a_training_folder_alone_has_nothing_left_out_beside_it(tmp_path: Path) -> None:
    for name in ("train/ant/0", "unlabeled/0", "1"):
        save(tmp_path / f"{name}.png", random_images(4, 4))
    assert used(tmp_path) == (3, [f"{tmp_path}: 3 images used"])


@pytest.mark.usefixtures("_few_strokes")
def test_the_images_of_a_name_and_of_a_file_are_counted(tmp_path: Path) -> None:
    said: list[str] = []
    load_transfer_images("strokes", None, GREY, say=said.append)
    load_transfer_images(npz(tmp_path, x=IMAGES), None, GREY, say=said.append)
    assert re.fullmatch(r"strokes: \d+ training images used", said[0])
    assert said[1:] == [f"{tmp_path / 'mine.npz'}: 5 images used, those of x"]


def test_a_folder_that_leads_back_to_itself_is_gone_through_once(tmp_path: Path) -> None:
    save(tmp_path / "0.png", random_images(4, 4))
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(load_transfer_images(str(tmp_path), None, GREY)) == 1


def test_jpeg_and_png_of_one_picture_become_the_same_grey(tmp_path: Path) -> None:
    blue = np.full((16, 16, 3), (10, 20, 200), np.uint8)
    save(tmp_path / "0.png", blue)
    Image.fromarray(blue).save(tmp_path / "1.jpg", quality=100)
    images = load_transfer_images(str(tmp_path), None, GREY)
    luma = round(0.299 * 10 + 0.587 * 20 + 0.114 * 200)
    np.testing.assert_allclose(images.astype(int), luma, atol=2)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("mnsit", "unknown data set 'mnsit': did you mean 'mnist'?"),
        ("absent/folder", "absent/folder: expected the name of a data set, .* found nothing there"),
        ("absent.npz", "found nothing there"),
        (__file__, "found another kind of file"),
        ("", "unknown data set ''"),
        ("~nobody-of-this-name/x", "found nothing there"),
        ("x" * 5000, "x{80}: cannot be read"),
    ],
)
def test_what_cannot_be_found_is_named(reference: str, says: str) -> None:
    assert re.search(says.replace("?", r"\?"), refusal_of(reference))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"labels": np.zeros(3)}, "as the array x_train, x, images or x_test, found labels"),
        ({"x": IMAGES[:0]}, "found shape (0, 16, 18, 3)"),
        ({"x": IMAGES[0, 0]}, "found shape (18, 3)"),
        ({"x": IMAGES[..., :2]}, "1 or 3), found 16x18x2"),
        ({"x": IMAGES.astype(np.int16) - 300}, "within 0 to 255, found -"),
        ({"x": np.full((1, 4, 4), np.nan)}, "found NaN or infinity"),
        (
            {"x": IMAGES[0]},
            "found a single one of shape (16, 18, 3); give it another axis, as x[None]",
        ),
        ({"x": np.array([["a"]])}, "expected numbers, found an array of <U1"),
        ({"x": np.zeros((1, 1, 4097), np.uint8)}, "at most 4096x4096 pixels, found 1x4097"),
    ],
)
def test_an_npz_without_images_is_refused(
    arrays: dict[str, Any], says: str, tmp_path: Path
) -> None:
    assert says in refusal_of(npz(tmp_path, **arrays))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}: expected images, {KINDS}, found none" in refusal_of(tmp_path)


def test_an_enormous_image_is_refused_before_any_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "0.png", random_images(16, 16))
    (tmp_path / "1.png").write_bytes(png_bytes(random_images(4, 4), (30_000, 30_000)))
    monkeypatch.setattr("kextract.datasets.image_files.ImageFile.decode", None)
    assert "far more pixels declared than 4096x4096" in refusal_of(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_a_pipe_called_png_does_not_stop_the_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0.png")
    assert "0.png: expected an image file" in refusal_of(tmp_path)


def test_small_images_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kextract.datasets.transfer_images.MAX_BYTES", 5 * 16 * 18 - 1)
    assert "found 5 images that become 16x18x1" in refusal_of(npz(tmp_path, x=IMAGES))
    for number in range(5):
        save(tmp_path / f"{number}.png", random_images(2, 2))
    assert "found 5 images that become 16x18x1" in refusal_of(tmp_path)
