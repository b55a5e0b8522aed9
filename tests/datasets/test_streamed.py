"""Folders that are larger than memory."""

from pathlib import Path

import numpy as np
import pytest

from kextract.datasets.image_files import StreamedImages
from kextract.datasets.transfer_images import load_transfer_images, stream_transfer_images
from kextract.errors import DatasetError
from tests.datasets.images import png_bytes, random_images

SHAPE = (16, 18, 1)
IMAGES = random_images(6, 20, 18, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images of another size in two folders."""
    for number, image in enumerate(IMAGES):
        path = tmp_path / "images" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(image))
    return tmp_path / "images"


def streamed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> StreamedImages:
    monkeypatch.setattr("kextract.datasets.transfer_images.MEMORY", 6 * 16 * 18 - 1)
    images = stream_transfer_images(str(folder), None, SHAPE)
    assert isinstance(images, StreamedImages)
    return images


def test_what_is_read_when_it_is_wanted_is_what_would_have_been_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_transfer_images(str(folder), None, SHAPE)
    images = streamed(folder, monkeypatch)
    chosen = np.array([4, 0, 4, 5])
    assert len(images) == 6
    np.testing.assert_array_equal(images[chosen], loaded[chosen])


def test_a_folder_that_fits_is_in_memory(folder: Path) -> None:
    assert isinstance(stream_transfer_images(str(folder), None, SHAPE), np.ndarray)


def test_a_damaged_file_is_named_when_its_turn_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = streamed(folder, monkeypatch)
    (folder / "1" / "3.png").write_bytes(b"no image")
    assert images[np.array([0, 1])].shape == (2, *SHAPE)
    with pytest.raises(DatasetError, match=r"3\.png: expected an image"):
        images[np.arange(6)]


def test_a_moved_folder_is_the_same_and_another_file_makes_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = streamed(folder, monkeypatch).digest()
    moved = folder.rename(folder.parent / "elsewhere")
    np.testing.assert_array_equal(streamed(moved, monkeypatch).digest(), before)
    (moved / "0" / "0.png").write_bytes(png_bytes(IMAGES[0][:-1]))
    assert (streamed(moved, monkeypatch).digest() != before).any()
