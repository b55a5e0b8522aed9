"""Ways to damage a folder of images; the same for the same random numbers."""

import base64
import shutil
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from tests.datasets.images import png_bytes, png_chunk, random_images
from tests.storage.mutations import append, extreme_bytes, flip_bits, truncate

BOMB_BYTES = 250 << 20
"""More than the reader's memory may grow by."""
FolderMutation = Callable[[Path, Random], None]
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEBLAEsAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt"
    "QFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09P"
    "T09PT09PT09PT09PT09PT09PT0//wAARCAAQABIDASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAABgAFB//EABsQ"
    "AQABBQEAAAAAAAAAAAAAAAADAQQ0crEC/8QAFAEBAAAAAAAAAAAAAAAAAAAAAf/EAB8RAAECBgMAAAAAAAAAAAAAABEA"
    "AQMVIWKh4QQTFP/aAAwDAQACEQMRAD8AWDl1lzb+uuTt23xotKcLR+moKW5XnqCU2QajMbc6TNrM6X//2Q=="
)
"""18x16 pixels in four colours."""


@cache
def zeros() -> bytes:
    return zlib.compress(bytes(BOMB_BYTES))


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


def images_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.*") if path.is_file())


def of_bytes(change: Callable[[bytes, Random], bytes]) -> FolderMutation:
    """Turn a change of bytes into one of a file or two."""

    def mutate(root: Path, random: Random) -> None:
        for path in random.sample(images_of(root), random.choice((1, 1, 2))):
            path.write_bytes(change(path.read_bytes(), random))

    mutate.__name__ = change.__name__
    return mutate


def flip_header_bits(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 2, 4))):
        out[random.randrange(min(64, len(out)))] ^= 1 << random.randrange(8)
    return bytes(out)


def enormous(data: bytes, random: Random) -> bytes:
    """Declare more pixels than there are, up to all that a header can say."""
    side = random.choice((0, 1, 4096, 4097, 65_500, 2**31 - 1, 2**32 - 1))
    places = {b"GIF8": (6, "<HH"), b"BM": (18, "<II"), b"RIFF": (26, "<HH"), b"II": (18, "<II")}
    for start, (place, kind) in places.items():
        if data.startswith(start):
            largest = 0xFFFF if kind == "<HH" else 0xFFFFFFFF
            size = struct.pack(kind, side & largest, side & largest)
            return data[:place] + size + data[place + len(size) :]
    if data.startswith(b"\xff\xd8"):
        at = data.index(b"\xff\xc0") + 5
        return data[:at] + struct.pack(">HH", side & 0xFFFF, side & 0xFFFF) + data[at + 4 :]
    return png_bytes(random_images(4, 4), (side, random.choice((side, 16))))


def odd_png(data: bytes, random: Random) -> bytes:
    """Depths, colours, filters and interlacing that fit together or not; checksums that do."""
    numbers = (
        random.choice((0, 1, 2, 4, 8, 16, 99)),
        random.randrange(8),
        0,
        0,
        random.randrange(3),
    )
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 18, 16, *numbers))
    palette = png_chunk(b"PLTE", random.randbytes(random.choice((3, 6, 7, 768))))
    at = data.find(b"IDAT") - 4
    return data[:8] + header + (palette if random.random() < 0.5 else b"") + data[max(at, 0) :]


def bomb_in_a_chunk(data: bytes, random: Random) -> bytes:
    """Compressed texts and colour profiles are unpacked by some readers, however long they are."""
    kind, name = random.choice(((b"zTXt", b"Comment\0\0"), (b"iCCP", b"profile\0\0")))
    return data[:33] + png_chunk(kind, name + zeros()) + data[33:]


def pixels_without_end(data: bytes, random: Random) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 18, 16, 8, 0, 0, 0, 0))
    return data[:8] + header + png_chunk(b"IDAT", zeros()) + png_chunk(b"IEND", b"")


def many_scans(data: bytes, random: Random) -> bytes:
    """A large progressive JPEG whose scans say next to nothing, each for all of its blocks."""
    frame, first_scan = JPEG.index(b"\xff\xc0"), JPEG.index(b"\xff\xda")
    side = struct.pack(">HH", 4096, 4096)
    head = JPEG[: frame + 1] + b"\xc2" + JPEG[frame + 2 : frame + 5] + side + JPEG[frame + 9 :]
    table = b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + bytes(40)
    scans = random.choice((2, 45, 5000))
    first = b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x00\x00" + bytes(400_000)
    return head[:first_scan] + first + table + scan * scans + b"\xff\xd9"


def another_format(data: bytes, random: Random) -> bytes:
    """A GIF or a BMP of one pixel, or something that is no image."""
    gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01"
    huge_gif = b"GIF89a\xff\xff\xff\xff" + gif[10:]
    bmp = (
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0)
        + bytes(4)
    )
    webp = b"RIFF\x24\x00\x00\x00WEBPVP8 "
    text = b"<svg xmlns='http://www.w3.org/2000/svg' width='99999999'/>"
    return random.choice(
        (gif + b"\x00\x02\x02D\x01\x00;", huge_gif, bmp, webp, text, b"", b"\x1b[2J")
    )


def large(root: Path, random: Random) -> None:
    """A sound image of the largest size, among small ones; of one colour it is a small file."""
    side = random.choice((2048, 4096))
    images_of(root)[0].write_bytes(png_bytes(np.zeros((side, side), np.uint8)))


def wrong_suffix(root: Path, random: Random) -> None:
    path = random.choice(images_of(root))
    path.rename(path.with_suffix(random.choice((".jpg", ".PNG", ".jpeg", ".gif", ".txt", ""))))


def link_outside(root: Path, random: Random) -> None:
    path = random.choice(images_of(root))
    path.unlink()
    path.symlink_to(random.choice(("/etc/passwd", "/dev/zero", "/nowhere", "/", path.name, "..")))


def link_in_a_circle(root: Path, random: Random) -> None:
    folder = random.choice(("train/ant", "train", "test/bee"))
    (root / folder / "circle").symlink_to(random.choice((root, root / folder, "circle")))


def remove(root: Path, random: Random) -> None:
    for path in images_of(root):
        if random.random() < 0.7:
            path.unlink()


def remove_folder(root: Path, random: Random) -> None:
    for folder in random.sample(("train", "test", "train/ant", "test/ant", "train/bee"), 2):
        shutil.rmtree(root / folder, ignore_errors=True)


def folder_for_file(root: Path, random: Random) -> None:
    path = random.choice(images_of(root))
    path.unlink()
    path.mkdir()


def file_for_folder(root: Path, random: Random) -> None:
    folder = root / random.choice(("train", "test/ant", "train/bee"))
    shutil.rmtree(folder)
    folder.write_bytes(b"no folder")


def odd_names(root: Path, random: Random) -> None:
    names = ("[red]x", "\x1b[2J", "a\nb", "\u202egnp", "x" * 200, "..dots", " ", "\udcff")
    name = random.choice(names)
    for half in ("train", "test"):
        (root / half / "ant").rename(root / half / name)
    if random.random() < 0.5:
        images_of(root)[0].write_bytes(b"broken")


BYTES: tuple[FolderMutation, ...] = tuple(
    of_bytes(change)
    for change in (
        flip_bits,
        flip_header_bits,
        extreme_bytes,
        truncate,
        append,
        enormous,
        odd_png,
        bomb_in_a_chunk,
        pixels_without_end,
        another_format,
        many_scans,
    )
)
FOLDERS: tuple[FolderMutation, ...] = (
    large,
    wrong_suffix,
    link_outside,
    link_in_a_circle,
    remove,
    remove_folder,
    folder_for_file,
    file_for_folder,
    odd_names,
)
