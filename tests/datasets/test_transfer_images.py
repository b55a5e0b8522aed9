import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.image_files import StreamedImages
from kextract.datasets.image_folders import KINDS
from kextract.datasets.images import fitted
from kextract.datasets.loading import load_dataset
from kextract.datasets.transfer_images import load_transfer_images, stream_transfer_images
from kextract.errors import DatasetError
from tests.datasets.images import png_bytes, random_images, save

GREY, COLOUR = (16, 18, 1), (16, 18, 3)
IMAGES = random_images(5, *COLOUR)


def npz(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "mine.npz", allow_pickle=False, **arrays)
    return str(folder / "mine.npz")


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


@pytest.mark.parametrize("name", ["x_train", "x", "images", "x_test"])
def test_an_npz_needs_no_labels(name: str, tmp_path: Path) -> None:
    images = load_transfer_images(npz(tmp_path, **{name: IMAGES}), None, COLOUR)
    np.testing.assert_array_equal(images, IMAGES)


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


def used(folder: Path) -> tuple[int, list[str]]:
    said: list[str] = []
    return len(load_transfer_images(str(folder), None, GREY, say=said.append)), said


def test_what_is_taken_of_a_divided_data_set_is_said(tmp_path: Path) -> None:
    for name in ("Train/ant/0", "Train/0", "Valid/ant/0", "Valid/ant/1", "more/0"):
        save(tmp_path / f"{name}.png", random_images(4, 4))
    (tmp_path / "README.md").write_text("hello")
    count, (note,) = used(tmp_path)
    assert count == 2
    assert note.startswith(f"{tmp_path}: 2 images used, those of Train/; left out: 2 in Valid/, ")
    assert {*note.split(", ")[2:]} == {"1 .md", "1 in more/"}


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("mnsit", "unknown data set 'mnsit': did you mean 'mnist'?"),
        ("absent.npz", "found nothing there"),
        (__file__, "found another kind of file"),
        ("~nobody-of-this-name/x", "found nothing there"),
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
        (
            {"x": IMAGES[0]},
            "found a single one of shape (16, 18, 3); give it another axis, as x[None]",
        ),
        ({"x": np.zeros((1, 1, 4097), np.uint8)}, "at most 4096x4096 pixels, found 1x4097"),
    ],
)
def test_an_npz_without_images_is_refused(
    arrays: dict[str, Any], says: str, tmp_path: Path
) -> None:
    assert says in refusal_of(npz(tmp_path, **arrays))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}: expected images, {KINDS}, found none" in refusal_of(tmp_path)


def test_small_images_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    large, says = (30_000, 30_000, 1), "found 5 images that become 30000x30000x1"
    assert says in refusal_of(npz(tmp_path, x=IMAGES), large)
    for number in range(5):
        save(tmp_path / f"{number}.png", random_images(2, 2))
    assert says in refusal_of(tmp_path, large)


TALL = random_images(6, 20, 18, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images of another size in two folders."""
    for number, image in enumerate(TALL):
        save(tmp_path / "images" / str(number % 2) / f"{number}.png", image)
    return tmp_path / "images"


def streamed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> StreamedImages:
    monkeypatch.setattr("kextract.datasets.transfer_images.MEMORY", 6 * 16 * 18 - 1)
    images = stream_transfer_images(str(folder), None, GREY)
    assert isinstance(images, StreamedImages)
    return images


def test_what_is_read_when_it_is_wanted_is_what_would_have_been_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_transfer_images(str(folder), None, GREY)
    images = streamed(folder, monkeypatch)
    chosen = np.array([4, 0, 4, 5])
    assert len(images) == 6
    np.testing.assert_array_equal(images[chosen], loaded[chosen])


def test_a_folder_that_fits_is_in_memory(folder: Path) -> None:
    assert isinstance(stream_transfer_images(str(folder), None, GREY), np.ndarray)


def test_a_damaged_file_is_named_when_its_turn_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = streamed(folder, monkeypatch)
    (folder / "1" / "3.png").write_bytes(b"no image")
    assert images[np.array([0, 1])].shape == (2, *GREY)
    with pytest.raises(DatasetError, match=r"3\.png: expected an image"):
        images[np.arange(6)]


def test_a_moved_folder_is_the_same_and_another_file_makes_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = streamed(folder, monkeypatch).digest()
    moved = folder.rename(folder.parent / "elsewhere")
    np.testing.assert_array_equal(streamed(moved, monkeypatch).digest(), before)
    (moved / "0" / "0.png").write_bytes(png_bytes(TALL[0][:-1]))
    assert (streamed(moved, monkeypatch).digest() != before).any()
