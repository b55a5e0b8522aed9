"""What a PNG or JPEG file declares itself to be, read before anything of it is decoded."""

import struct
from dataclasses import dataclass
from typing import Literal

MAX_SIDE = 4096
"""Largest height and width that is decoded, pixels."""

MAX_SCANS = 50
"""Most scans of a JPEG, each of which may go over all pixels; usual are 1 and 10."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_GRAY_TYPES = (0, 4)  # without and with transparency
_JPEG_START = b"\xff\xd8"
_JPEG_SCAN = b"\xff\xda"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers that no length follows."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format, size in pixels, and whether the image is grayscale."""

    kind: Literal["png", "jpeg"]
    height: int
    width: int
    gray: bool


def image_header(data: bytes) -> ImageHeader:
    """Read the header of an image file.

    Raises ValueError, its text for the end of a sentence, where `data` is neither PNG nor JPEG, is
    cut short, or declares no pixels, more than MAX_SIDE along a side, or more than MAX_SCANS scans.
    """
    if data.startswith(_PNG_SIGNATURE):
        header = _png(data)
    elif data.startswith(_JPEG_START):
        header = _jpeg(data)
    else:
        raise ValueError("neither PNG nor JPEG data")
    if not (0 < header.height <= MAX_SIDE and 0 < header.width <= MAX_SIDE):
        raise ValueError(
            f"{header.width}x{header.height} pixels declared, at most {MAX_SIDE}x{MAX_SIDE} allowed"
        )
    return header


def _png(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("a PNG without its header")
    width, height, _, colour = struct.unpack(">IIBB", data[16:26])
    return ImageHeader("png", height, width, colour in _PNG_GRAY_TYPES)


def _jpeg(data: bytes) -> ImageHeader:
    """Walk from marker to marker up to the first frame header."""
    if data.count(_JPEG_SCAN) > MAX_SCANS:
        raise ValueError(f"a JPEG of more than {MAX_SCANS} scans")
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ValueError("a JPEG with damaged markers")
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _JPEG_BARE:
            position += 2
        elif marker in _JPEG_FRAMES and position + 10 <= len(data):
            height, width, components = struct.unpack(">HHB", data[position + 5 : position + 10])
            return ImageHeader("jpeg", height, width, components == 1)
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise ValueError("a JPEG without its frame header")
