"""What numbers are taken for black and white; expected pixels are computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.npz import read_images
from kextract.datasets.pixel_scale import pixel_scale, range_of
from kextract.errors import DatasetError

BYTES = np.linspace(0, 255, 512).round().astype(np.uint8).reshape(2, 16, 16)
MASKS = (BYTES > 127).astype(np.uint8)
UNIT = BYTES / 255.0


def read(*parts: Any) -> tuple[list[Any], tuple[str, ...]]:
    """Return all parts as uint8, and what was said of them."""
    named = dict(zip(("x_train", "x_test"), parts, strict=False))
    scale, notes = pixel_scale("mine", {name: range_of(part) for name, part in named.items()})
    return [scale.to_uint8(part) for part in parts], notes


def refusal_of(*parts: Any) -> str:
    with pytest.raises(DatasetError) as refusal:
        read(*parts)
    assert str(refusal.value).startswith("mine: ")
    return str(refusal.value)


@pytest.mark.parametrize(
    "images",
    [
        BYTES,
        BYTES.astype(np.int16),
        BYTES.astype(np.float32),
        BYTES + np.where(BYTES == 255, 2e-5, 0),
        UNIT,
        UNIT.astype(np.float16),
        UNIT - np.where(UNIT == 0, 1e-7, 0),
    ],
)
def test_usual_numbers_become_bytes_without_a_word(images: Any) -> None:
    (found,), notes = read(images)
    assert found.dtype == np.uint8 and not notes
    np.testing.assert_array_equal(found, BYTES)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_zeros_and_ones_are_black_and_white_whatever_their_type(dtype: type) -> None:
    (found,), notes = read(MASKS.astype(dtype))
    np.testing.assert_array_equal(found, MASKS * 255)
    assert len(notes) == (dtype in (np.uint8, np.int64))
    assert all("pixels of 0 and 1 are taken for black and white" in note for note in notes)


def test_floats_on_both_sides_of_zero_are_taken_for_black_to_white() -> None:
    (found,), notes = read(UNIT * 2 - 1)
    np.testing.assert_array_equal(found, BYTES)
    assert notes == ("mine: pixels of -1 to 1 are taken for black to white",)


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_sixteen_bits_are_told_from_eight(dtype: type) -> None:
    (found,), notes = read((BYTES.astype(np.uint16) * 257).astype(dtype))
    np.testing.assert_array_equal(found, BYTES)
    assert notes == ("mine: pixels of up to 65535 are taken for 16 bits: 65535 is white",)


@pytest.mark.parametrize("images", [BYTES // 16, UNIT / 16, BYTES // 16 * 1.0])
def test_images_without_a_bright_pixel_are_read_and_said(images: Any) -> None:
    (found,), notes = read(images)
    assert found.max() < 17
    assert len(notes) == 1 and "the brightest pixel of x_train is" in notes[0]


def test_black_alone_says_nothing_of_white() -> None:
    (found,), notes = read(np.zeros((1, 16, 16)))
    assert not found.any() and notes == ("mine: all pixels are 0, which is black",)
    (train, test), _ = read(UNIT, np.zeros((1, 16, 16), np.uint8))
    np.testing.assert_array_equal(train, BYTES)
    assert not test.any()


def test_a_part_too_dark_to_tell_is_read_as_the_other_one_is() -> None:
    (_, test), notes = read(BYTES.astype(np.uint16) * 257, np.full((1, 16, 16), 5140, np.uint16))
    assert test.max() == 20
    assert "the brightest pixel of x_test is 5140" in notes[-1]


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (UNIT, BYTES, "found x_train within 0 to 1 and x_test within 0 to 255"),
        (MASKS, BYTES, "found x_train within 0 to 1 and x_test within 0 to 255"),
        (UNIT * 2 - 1, UNIT, "found x_test within 0 to 1 and x_train within -1 to 1"),
        (BYTES, BYTES.astype(np.uint16) * 257, "within 0 to 255 and x_test within 0 to 65535"),
    ],
)
def test_parts_of_different_scales_are_refused(train: Any, test: Any, says: str) -> None:
    assert says in refusal_of(train, test)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (UNIT * 1.05, "found 0 to 1.05"),
        (UNIT - 0.1, "found -0.1 to 0.9"),
        (BYTES * 16.0, "found 0 to 4080"),
        (BYTES.astype(np.uint16) * 16, "within 0 to 255, found 0 to 4080"),
        (BYTES.astype(np.int16) - 128, "within 0 to 255, found -128 to 127"),
        (np.where(BYTES == 0, np.nan, UNIT), "found NaN or infinity"),
    ],
)
def test_numbers_that_could_be_anything_are_refused(images: Any, says: str) -> None:
    assert says in refusal_of(images)


def test_the_half_that_is_not_used_tells_the_scale_too(tmp_path: Path) -> None:
    path, said = tmp_path / "dark.npz", list[str]()
    np.savez(path, allow_pickle=False, x_train=BYTES // 255, x_test=BYTES)
    with pytest.raises(DatasetError, match="x_train within 0 to 1 and x_test within 0 to 255"):
        read_images(path)
    np.savez(path, allow_pickle=False, x_train=UNIT, x_test=UNIT[:1])
    np.testing.assert_array_equal(read_images(path, said.append), BYTES[..., None])
    assert said == [f"{path}: 2 images used, those of x_train"]
