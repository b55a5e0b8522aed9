"""PNG files written by hand, so that what is read can be compared with what was meant."""

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_bytes(image: NDArray[np.uint8], declared: tuple[int, int] | None = None) -> bytes:
    """Encode (h, w) or (h, w, 3); `declared` (h, w) replaces the size in the header."""
    height, width = declared or image.shape[:2]
    colour = 0 if image.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def save(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a PNG file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(image))


def random_images(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def random_labels(count: int, classes: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) % classes


JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEBLAEsAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt"
    "QFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09P"
    "T09PT09PT09PT09PT09PT09PT0//wAARCAAQABIDASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAABgAFB//EABsQ"
    "AQABBQEAAAAAAAAAAAAAAAADAQQ0crEC/8QAFAEBAAAAAAAAAAAAAAAAAAAAAf/EAB8RAAECBgMAAAAAAAAAAAAAABEA"
    "AQMVIWKh4QQTFP/aAAwDAQACEQMRAD8AWDl1lzb+uuTt23xotKcLR+moKW5XnqCU2QajMbc6TNrM6X//2Q=="
)
"""18x16 pixels in four colours."""


def write_sound_folder(root: Path) -> None:
    """Two classes of eight images in each half: files of every kind, in colour and in grey."""
    for half in ("train", "test"):
        for label, name in enumerate(("ant", "bee")):
            (root / half / name).mkdir(parents=True)
            for number in range(3):
                shape = (16, 18, 3) if number else (16, 18)
                image = random_images(*shape, seed=10 * label + number)
                (root / half / name / f"{number}.png").write_bytes(png_bytes(image))
            (root / half / name / "3.jpg").write_bytes(JPEG)
            for number, kind in enumerate(("gif", "webp", "bmp", "tiff"), 4):
                colours = Image.fromarray(random_images(16, 18, 3, seed=10 * label + number))
                colours.save(root / half / name / f"{number}.{kind}")
