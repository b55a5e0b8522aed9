import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kextract.datasets.image_files import Seen, decode_files, open_image
from kextract.errors import DatasetError
from tests.datasets import images
from tests.datasets.images import png_chunk, random_images
from tests.fuzzing.running import MEGABYTES, forget_peak, megabytes


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
    packed = zlib.compress(pixels, level=1)
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


def bmp(compression: int = 0, width: int = 1) -> bytes:
    fields = (58, 0, 54, 40, width, 1, 1, 24, compression, 4, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", *fields) + bytes(4)


def test_of_sixteen_bits_the_upper_eight_are_kept(path: Path) -> None:
    whole = np.arange(0, 65_536, 164).reshape(20, 20)
    found = decoded(path, png(rows(whole.astype(">u2").view(np.uint8)), depth=16))
    np.testing.assert_array_equal(found[..., 0], whole >> 8)
    colour = np.stack([whole, whole[::-1], whole.T], axis=-1)
    data = rows(colour.astype(">u2").view(np.uint8).reshape(20, -1))
    np.testing.assert_array_equal(decoded(path, png(data, depth=16, colour=2)), colour >> 8)


def on_white(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Lay colours (h, w, c) on white by the definition of alpha."""
    share = alpha[..., None] / 255
    return colours * share + 255 * (1 - share)


@pytest.mark.parametrize(("colour", "channels"), [(4, 1), (6, 3)])
def test_what_is_transparent_is_laid_on_white_and_counted(
    path: Path, colour: int, channels: int
) -> None:
    pixels, seen = random_images(20, 20, channels + 1), Seen()
    path.write_bytes(png(rows(pixels.reshape(20, -1)), colour=colour))
    expected = on_white(pixels[..., :channels], pixels[..., channels])
    assert np.abs(open_image(path).decode(seen) - expected).max() <= 0.5
    assert seen.counts.total() == 1
    pixels[..., channels] = 255
    path.write_bytes(png(rows(pixels.reshape(20, -1)), colour=colour))
    seen = Seen()
    np.testing.assert_array_equal(open_image(path).decode(seen), pixels[..., :channels])
    assert seen.counts.total() == 0


def test_a_palette_gives_colours_some_of_which_may_be_transparent(path: Path) -> None:
    palette, places = random_images(4, 3), np.arange(400, dtype=np.uint8).reshape(20, 20) % 4
    before = png_chunk(b"PLTE", palette.tobytes()) + png_chunk(b"tRNS", b"\0\x80")
    found = decoded(path, png(rows(places), colour=3, before=before))
    shown = on_white(palette[:, None], np.array([[0], [128], [255], [255]], np.uint8))[:, 0]
    assert np.abs(found - shown[places]).max() <= 0.5


@pytest.mark.parametrize(
    ("kind", "orientation"),
    [*(("PNG", number) for number in range(1, 9)), ("JPEG", 6), ("WEBP", 6), ("TIFF", 6)],
)
def test_pictures_are_turned_as_their_exif_says(path: Path, kind: str, orientation: int) -> None:
    """Pillow turns them by itself here."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    smooth = np.add.outer(np.arange(20) * 9, np.arange(30) * 2)[..., None] + [0, 9, 17]
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(smooth.astype(np.uint8)).save(stream, kind, exif=exif, **options)
    path.write_bytes(stream.getvalue())
    with Image.open(path) as image:
        image.load()  # of a TIFF, Pillow turns the picture here
        expected = np.asarray(ImageOps.exif_transpose(image))
    file = open_image(path)
    np.testing.assert_array_equal(file.decode(), expected)
    assert (file.height, file.width) == expected.shape[:2]


@pytest.mark.parametrize(
    ("kind", "modes"),
    [
        ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        ("GIF", ("1", "L", "P")),
        ("BMP", ("1", "L", "P", "RGB")),
        ("WEBP", ("L", "RGB", "RGBA")),
        ("TIFF", ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")),
    ],
)
def test_every_kind_of_pixels_becomes_the_picture_that_was_saved(
    path: Path, kind: str, modes: tuple[str, ...]
) -> None:
    """What is expected is made of the array, before Pillow writes it."""
    colours, alpha = random_images(20, 30, 3), random_images(20, 30, seed=1)
    grey, few = colours[..., 0], colours[..., 0] % 16
    palette = random_images(16, 3, seed=2)
    expected: dict[str, Any] = {
        "1": (grey > 127) * 255,
        "L": grey,
        "LA": on_white(grey[..., None], alpha)[..., 0],
        "P": palette[few],
        "RGB": colours,
        "RGBA": on_white(colours, alpha),
        "CMYK": (255 - colours.astype(int)) * (255 - alpha[..., None].astype(int)) / 255,
        "I;16": grey,
    }
    indexed = Image.frombytes("P", (30, 20), few.tobytes())
    indexed.putpalette(palette.tobytes())
    pictures: dict[str, Image.Image] = {
        "1": Image.fromarray(grey > 127),
        "L": Image.fromarray(grey),
        "LA": Image.fromarray(np.dstack([grey, alpha])),
        "P": indexed,
        "RGB": Image.fromarray(colours),
        "RGBA": Image.fromarray(np.dstack([colours, alpha])),
        "CMYK": Image.frombytes("CMYK", (30, 20), np.dstack([colours, alpha]).tobytes()),
        "I;16": Image.fromarray(grey.astype(np.uint16) * 256 + 7),
    }
    for mode in modes:
        options: dict[str, Any] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        pictures[mode].save(path, kind, **options)
        found, wanted = open_image(path).decode().astype(float), expected[mode]
        wanted = wanted if wanted.ndim == 3 else wanted[..., None]
        tolerance = 1 if mode == "CMYK" else 0.5
        assert np.abs(found - wanted).max() <= tolerance, mode


def big_endian_tiff(pixels: NDArray[np.uint8], *more: tuple[int, int, int, int]) -> bytes:
    """A TIFF of grey pixels (h, w) with further tags: number, type, count, value."""
    height, width = pixels.shape
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8 << 16), (259, 3, 1, 1 << 16)),
        *((262, 3, 1, 1 << 16), (273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 4, 1, height)),
        (279, 4, 1, pixels.size),
    ]
    tags = [tag for tag in tags if tag[0] not in {other[0] for other in more}]
    entries = b"".join(struct.pack(">HHII", *tag) for tag in sorted([*tags, *more]))
    directory = struct.pack(">H", len(tags) + len(more)) + entries + bytes(4)
    return b"MM\0*" + struct.pack(">I", 8 + pixels.size) + pixels.tobytes() + directory


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ((258, 3, 1, 12 << 16), "a TIFF of 12 bits"),
        ((258, 3, 1, 32 << 16), "a TIFF of 32 bits"),
        ((277, 3, 1, 2048 << 16), "a TIFF of 2048 channels"),
        ((259, 3, 1, 7 << 16), "a TIFF compressed by method 7"),
        ((339, 3, 1, 3 << 16), "a TIFF of floating-point pixels, whose black and white"),
        ((339, 3, 1, 2 << 16), "a TIFF of signed pixels"),
        ((262, 3, 1, 8 << 16), "a TIFF of colours of kind 8"),
        ((322, 4, 1, 65_000), "a TIFF with tiles of 65000 pixels"),
        ((320, 1, 1 << 21, 0), "a TIFF that describes itself at far too much length"),
    ],
)
def test_a_tiff_that_could_mean_anything_is_refused_by_name(
    path: Path, tag: tuple[int, int, int, int], says: str
) -> None:
    assert says in refusal_of(path, big_endian_tiff(random_images(20, 30), tag))


def test_descriptions_that_share_their_bytes_are_never_read(path: Path) -> None:
    """Each would be a copy of the whole file: 2 GB of a file of 300 KB."""
    pixels = random_images(600, 500)
    bombs = [(number, 1, pixels.size, 8) for number in range(1000, 9_000)]
    np.testing.assert_array_equal(decoded(path, big_endian_tiff(pixels, *bombs))[..., 0], pixels)
    exif = big_endian_tiff(pixels[:2], (274, 3, 1, 3 << 16), *bombs[:4000])
    parts = [b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif]
    whole = jpeg(pixels[:, :20])
    turned = decoded(path, whole[:2] + b"".join(parts) + whole[2:])
    np.testing.assert_array_equal(turned, decoded(path, whole)[::-1, ::-1])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_the_first_is_read_and_they_are_counted(path: Path, kind: str) -> None:
    pixels, seen = random_images(3, 20, 20), Seen()
    first, *others = map(Image.fromarray, pixels)
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    first.save(path, kind, save_all=True, append_images=others, **options)
    found = open_image(path).decode(seen)
    np.testing.assert_array_equal(found[..., 0], pixels[0])
    assert seen.counts["with several pictures, of which the first is taken"] == 1


def test_white_is_decided_for_all_files_together(tmp_path: Path) -> None:
    masks = (random_images(2, 20, 20) > 99).astype(np.uint8)
    files = []
    for number, mask in enumerate(masks):
        (tmp_path / f"{number}.png").write_bytes(images.png_bytes(mask))
        files.append(open_image(tmp_path / f"{number}.png"))
    said: list[str] = []
    found = decode_files("masks", {"train": files[:1], "test": files[1:]}, (20, 20, 1), said.append)
    np.testing.assert_array_equal(found["test"][0, ..., 0], masks[1] * 255)
    assert said == ["masks: pixels of 0 and 1 are taken for black and white"]
    (tmp_path / "2.png").write_bytes(images.png_bytes(random_images(20, 20)))
    parts = {"train": files, "test": [open_image(tmp_path / "2.png")]}
    with pytest.raises(DatasetError, match="found train within 0 to 1 and test within 0 to 255"):
        decode_files("mixed", parts, (20, 20, 1), said.append)


@pytest.mark.parametrize(
    ("mode", "expected"), [(None, (200, 40, 90)), ("L", (94,)), ("CMYK", (200, 40, 90))]
)
def test_a_jpeg_is_grey_or_has_the_colours_of_light(
    path: Path, mode: str | None, expected: tuple[int, ...]
) -> None:
    pixels = np.full((17, 20, 3), (200, 40, 90), np.uint8)
    found = decoded(path, jpeg(pixels, mode, progressive=True))
    assert found.shape == (17, 20, len(expected))
    np.testing.assert_allclose(found.astype(int), np.broadcast_to(expected, found.shape), atol=3)


REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"", "an empty file"),
    (b"\0\0\0\x18ftypheic" + bytes(99), "HEIC, AVIF or video data"),
    (b"%PDF-1.7" + bytes(99), "none of PNG, JPEG, GIF, WebP, BMP and TIFF data"),
    (b"RIFF\x24\0\0\0WAVEfmt " + bytes(99), "none of PNG, JPEG, GIF, WebP, BMP and TIFF"),
    (b"GIF89a" + bytes(50), "data that cannot be decoded"),
    (b"GIF89a\xff\xff\xff\xff" + bytes(3) + b"," + bytes(20), "pixels declared"),
    (b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff" * 6, "16777216x16777216"),
    (b"RIFF\x24\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + b"\xff" * 9, "16384x16384 pixels"),
    (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(10) + b"\xff" * 4, "16383x16383 pixels"),
    (bmp(compression=1), "a BMP compressed by method 1"),
    (bmp(width=1 << 28), "far more pixels declared"),
    (bmp(width=5000), "5000x1 pixels declared"),
    (b"II+\0" + bytes(99), "a BigTIFF"),
    (b"II*\0\xff\xff\xff\xff" + bytes(99), "data that cannot be decoded"),
    (b"\x89PNG\r\n\x1a\n", "data that cannot be decoded"),
    (b"\xff\xd8", "data that cannot be decoded"),
    (frame(5, 7, 1), "data that cannot be decoded"),
    (images.png_bytes(np.zeros((4, 4), np.uint8), (4097, 4)), "4x4097 pixels declared"),
    (images.png_bytes(np.zeros((4, 4), np.uint8), (0, 4)), "data that cannot be decoded"),
    (images.png_bytes(np.zeros((4, 4), np.uint8), (4, 2**31)), "far more pixels declared"),
    (frame(9000, 9000, 3) + b"\xff\xda" + bytes(99), "9000x9000 pixels declared"),
    (frame(65_535, 65_535, 3) + b"\xff\xda" + bytes(99), "far more pixels declared"),
    (frame(5, 7, 1) + b"\xff\xda" * 51 + bytes(99), "a JPEG of more than 50 scans"),
    (png(bytes(50)), "data that cannot be decoded"),
    (jpeg(random_images(50, 70, 3))[:-500], "data that cannot be decoded"),
)


@pytest.mark.parametrize(("data", "message"), REFUSED)
def test_what_is_no_image_or_too_large_is_refused(path: Path, data: bytes, message: str) -> None:
    assert message in refusal_of(path, data)


def texts_without_end() -> bytes:
    """Some readers unpack compressed texts and profiles, however long they are."""
    texts = [(b"zTXt", b"Comment\0\0"), (b"iCCP", b"profile\0\0")]
    packed = zlib.compress(bytes(250 << 20), level=1)
    before = b"".join(png_chunk(kind, name + packed) for kind, name in texts)
    return png(rows(np.zeros((20, 20), np.uint8)), before=before)


def pixels_without_end() -> bytes:
    return png(bytes(250 << 20))


def many_scans() -> bytes:
    """A large progressive JPEG whose scans say next to nothing, each for all of its blocks."""
    start, first_scan = images.JPEG.index(b"\xff\xc0"), images.JPEG.index(b"\xff\xda")
    side = struct.pack(">HH", 4096, 4096)
    head = images.JPEG[: start + 1] + b"\xc2" + images.JPEG[start + 2 : start + 5] + side
    table = b"\xff\xc4\x00\x14\x10\x01" + bytes(15) + b"\xe0"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" + bytes(40)
    first = b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x00\x00" + bytes(400_000)
    tail = images.JPEG[start + 9 : first_scan] + first + table + scan * 45
    return head + tail + b"\xff\xd9"


BOMBS = (texts_without_end, pixels_without_end, many_scans)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_takes_no_more_memory_than_its_pixels(
    path: Path, bomb: Callable[[], bytes]
) -> None:
    path.write_bytes(bomb())
    forget_peak()
    before = megabytes("VmRSS")
    with contextlib.suppress(DatasetError):
        open_image(path).decode()
    assert megabytes("VmHWM") - before < MEGABYTES


def test_sixteen_bits_of_which_few_are_used_are_refused(tmp_path: Path) -> None:
    pixels = random_images(20, 20).astype(np.uint16) * 16
    Image.fromarray(pixels).save(tmp_path / "0.png")
    with pytest.raises(DatasetError, match=r"expected 65535 for white .* found none above"):
        decode_files("deep", {"": [open_image(tmp_path / "0.png")]}, (20, 20, 1), print)
