import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kextract.datasets.image_files import ImageFile, open_image, png_bytes
from kextract.errors import DatasetError
from tests.datasets import images
from tests.datasets.images import png_chunk, random_images


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image"


def decoded(path: Path, data: bytes) -> NDArray[np.uint8]:
    path.write_bytes(data)
    return open_image(path).decode()


def refusal_of(path: Path, data: bytes) -> str:
    with pytest.raises(DatasetError) as refusal:
        decoded(path, data)
    assert str(refusal.value).startswith(f"{path}: expected an image, found ")
    return str(refusal.value)


def png(
    pixels: bytes, *, side: int = 20, depth: int = 8, colour: int = 0, before: bytes = b""
) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))
    # A writer may cut its pixels into as many chunks as it likes.
    packed = zlib.compress(pixels)
    halves = (packed[: len(packed) // 2], packed[len(packed) // 2 :])
    chunks = b"".join(png_chunk(b"IDAT", half) for half in halves)
    return b"\x89PNG\r\n\x1a\n" + header + before + chunks + png_chunk(b"IEND", b"")


def rows(values: Any) -> bytes:
    """The rows of a PNG, each with a byte that says it is not filtered."""
    return b"".join(b"\0" + bytes(row) for row in values)


def jpeg(pixels: NDArray[np.uint8], mode: str | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def frame(height: int, width: int, components: int, before: bytes = b"") -> bytes:
    """A JPEG up to its frame header."""
    sampling = b"".join(bytes([number, 0x11, 0]) for number in range(1, components + 1))
    size = struct.pack(">HBHHB", 8 + len(sampling), 8, height, width, components)
    return b"\xff\xd8" + before + b"\xff\xc0" + size + sampling


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3)])
def test_a_png_is_read_as_it_was_meant(path: Path, shape: tuple[int, ...]) -> None:
    pixels = random_images(*shape)
    meant = pixels[..., 0] if shape[-1] == 1 else pixels
    np.testing.assert_array_equal(decoded(path, images.png_bytes(meant)), pixels)
    assert open_image(path) == ImageFile(path, 5, 7, gray=shape[-1] == 1)


def test_of_sixteen_bits_the_upper_eight_are_kept(path: Path) -> None:
    whole = np.arange(0, 65_536, 164).reshape(20, 20)
    found = decoded(path, png(rows(whole.astype(">u2").view(np.uint8)), depth=16))
    np.testing.assert_array_equal(found[..., 0], whole >> 8)
    colour = np.stack([whole, whole[::-1], whole.T], axis=-1)
    data = rows(colour.astype(">u2").view(np.uint8).reshape(20, -1))
    np.testing.assert_array_equal(decoded(path, png(data, depth=16, colour=2)), colour >> 8)


def test_one_bit_is_black_or_white(path: Path) -> None:
    found = decoded(path, png(rows([[0b10101010, 255, 0b11110000]] * 20), depth=1))
    assert found[0, :, 0].tolist() == [255, 0] * 4 + [255] * 12


@pytest.mark.parametrize(("colour", "channels"), [(4, 1), (6, 3)])
def test_transparency_is_left_out(path: Path, colour: int, channels: int) -> None:
    pixels = random_images(20, 20, channels + 1)
    found = decoded(path, png(rows(pixels.reshape(20, -1)), colour=colour))
    np.testing.assert_array_equal(found, pixels[..., :channels])


def test_a_palette_gives_colours_even_where_one_of_them_is_transparent(path: Path) -> None:
    palette, places = random_images(4, 3), np.arange(400, dtype=np.uint8).reshape(20, 20) % 4
    before = png_chunk(b"PLTE", palette.tobytes()) + png_chunk(b"tRNS", b"\0\x80")
    found = decoded(path, png(rows(places), colour=3, before=before))
    np.testing.assert_array_equal(found, palette[places])


def test_of_an_animation_the_first_picture_is_read(path: Path) -> None:
    stream, pixels = io.BytesIO(), random_images(2, 20, 20, 3)
    first, second = map(Image.fromarray, pixels)
    first.save(stream, "PNG", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decoded(path, stream.getvalue()), pixels[0])


@pytest.mark.parametrize(
    ("mode", "expected"), [(None, (200, 40, 90)), ("L", (94,)), ("CMYK", (200, 40, 90))]
)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_grey_or_has_the_colours_of_light(
    path: Path, mode: str | None, expected: tuple[int, ...], progressive: bool
) -> None:
    pixels = np.full((17, 20, 3), (200, 40, 90), np.uint8)
    found = decoded(path, jpeg(pixels, mode, progressive=progressive))
    assert found.shape == (17, 20, len(expected))
    np.testing.assert_allclose(found.astype(int), np.broadcast_to(expected, found.shape), atol=3)


def test_a_jpeg_thumbnail_is_not_mistaken_for_the_image(path: Path) -> None:
    thumbnail = frame(1, 2, 1)
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = jpeg(random_images(50, 70, 3))
    assert decoded(path, whole[:2] + exif + whole[2:]).shape == (50, 70, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither PNG nor JPEG"),
        (b"GIF89a" + bytes(50), "neither PNG nor JPEG"),
        (b"\x89PNG\r\n\x1a\n", "neither PNG nor JPEG"),
        (b"\xff\xd8", "neither PNG nor JPEG"),
        (b"\xff\xd8" + b"\xff" * 1000, "neither PNG nor JPEG"),
        (frame(5, 7, 1), "neither PNG nor JPEG"),
        (images.png_bytes(np.zeros((4, 4), np.uint8), (4097, 4)), "4x4097 pixels declared"),
        (images.png_bytes(np.zeros((4, 4), np.uint8), (0, 4)), "neither PNG nor JPEG"),
        (images.png_bytes(np.zeros((4, 4), np.uint8), (4, 2**31)), "far more pixels declared"),
        (frame(9000, 9000, 3) + b"\xff\xda" + bytes(99), "9000x9000 pixels declared"),
        (frame(10_000, 10_000, 3) + b"\xff\xda" + bytes(99), "far more pixels declared"),
        (frame(65_535, 65_535, 3) + b"\xff\xda" + bytes(99), "far more pixels declared"),
        (frame(5, 7, 1) + b"\xff\xda" * 51 + bytes(99), "a JPEG of more than 50 scans"),
        (png(bytes(50)), "data that cannot be decoded"),
        (jpeg(random_images(50, 70, 3))[:-500], "data that cannot be decoded"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused(path: Path, data: bytes, message: str) -> None:
    assert message in refusal_of(path, data)


def test_scans_are_counted_in_the_files_of_two_lenses_too(path: Path) -> None:
    """Pillow calls them by another name than JPEG."""
    stream, pixels = io.BytesIO(), random_images(2, 20, 20, 3)
    first, second = map(Image.fromarray, pixels)
    first.save(stream, "MPO", save_all=True, append_images=[second])
    assert decoded(path, stream.getvalue()).shape == (20, 20, 3)
    assert "more than 50 scans" in refusal_of(path, stream.getvalue() + b"\xff\xda" * 50)


def test_pixels_beyond_what_is_declared_are_never_unpacked(path: Path) -> None:
    """They end in a wrong checksum, at which unpacking would fail."""
    packed = zlib.compress(bytes(21 * 20 + 10_000), level=0)[:-4] + b"\xff" * 4
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 20, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    assert not decoded(path, data).any()


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3)])
def test_what_is_written_is_read_again_and_always_of_the_same_bytes(
    path: Path, shape: tuple[int, ...]
) -> None:
    pixels = random_images(*shape)
    np.testing.assert_array_equal(decoded(path, png_bytes(pixels)), pixels)
    assert png_bytes(pixels.copy()) == png_bytes(pixels)
