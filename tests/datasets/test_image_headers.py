import numpy as np
import pytest

from kextract.datasets.image_headers import ImageHeader, image_header
from tests.datasets.images import png_bytes, random_images


def jpeg(height: int, width: int, components: int, before: bytes = b"") -> bytes:
    frame = b"\xff\xc0\x00\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + before + frame + bytes([components]) + bytes(20)


def test_a_png_tells_its_size_and_colour() -> None:
    assert image_header(png_bytes(random_images(5, 7))) == ImageHeader("png", 5, 7, gray=True)
    assert image_header(png_bytes(random_images(5, 7, 3))).gray is False


def test_a_jpeg_tells_its_size_and_colour() -> None:
    assert image_header(jpeg(5, 7, 1)) == ImageHeader("jpeg", 5, 7, gray=True)
    assert image_header(jpeg(5, 7, 3)).gray is False


def test_a_jpeg_thumbnail_is_not_mistaken_for_the_image() -> None:
    thumbnail = jpeg(1, 2, 1)
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert image_header(jpeg(50, 70, 3, before=exif + b"\xff")).height == 50


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither PNG nor JPEG"),
        (b"GIF89a", "neither PNG nor JPEG"),
        (b"\x89PNG\r\n\x1a\n", "without its header"),
        (b"\xff\xd8", "without its frame"),
        (b"\xff\xd8\x00\x00\x00\x00", "damaged markers"),
        (jpeg(5, 7, 1)[:10], "without its frame"),
        (b"\xff\xd8" + b"\xff" * 1000, "without its frame"),
        (png_bytes(np.zeros((4, 4), np.uint8), declared=(4097, 4)), "4x4097 pixels declared"),
        (png_bytes(np.zeros((4, 4), np.uint8), declared=(4, 2**31)), "at most 4096x4096"),
        (png_bytes(np.zeros((4, 4), np.uint8), declared=(0, 4)), "4x0 pixels"),
        (jpeg(65535, 65535, 3), "65535x65535 pixels declared"),
        (jpeg(5, 7, 1) + b"\xff\xda" * 51, "a JPEG of more than 50 scans"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_header(data)
