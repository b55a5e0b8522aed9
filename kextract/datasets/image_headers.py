"""What an image file declares, looked at before Pillow reads it, and made harmless for it.

Pillow reads all that a file says of itself before it says how large the picture is: descriptions
that point at the same bytes a thousand times, canvases of animations, comments without end. So it
is given one picture and nothing else. How a picture is turned (EXIF) is found out here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from kextract.datasets.images import MAX_SIDE

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
"""Pillow's names of what is read."""
MAX_SCANS = 50
"""Most scans of a JPEG, each of which may go over all pixels; usual are 1 and 10."""
MAX_PARTS = 1 << 20
"""Most segments, chunks or blocks that a file is divided into."""
MAX_TAG_BYTES = 1 << 20
"""Most bytes of a value in a TIFF: more than the places of the tiles of the largest image take."""

_Order = Literal["little", "big"]
_ORIENTATION, _BITS, _COMPRESSION, _MEANING, _SAMPLE_KIND = 274, 258, 259, 262, 339
_CHANNELS, _MOST_CHANNELS = 277, 6
_TILE_SIDES = (322, 323)
_TIFF_TAGS = (
    *(256, 257, _BITS, _COMPRESSION, _MEANING, 266, 273, _CHANNELS, 278, 279, 284, 317, 320),
    *(*_TILE_SIDES, 324, 325, 338, _SAMPLE_KIND, 530, 531, 532),
)
"""What it takes to decode the pixels of a TIFF, and nothing that leads elsewhere."""
_TIFF_COMPRESSIONS = (1, 5, 8, 32773, 32946)
"""None, LZW, deflate and PackBits: decoders that unpack a strip at a time."""
_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of one value, by TIFF's types."""


@dataclass(frozen=True, slots=True)
class Declared:
    """An image file as Pillow may read it."""

    data: bytes
    """The first picture."""
    orientation: int = 1
    """How the picture is turned, 1 to 8 as EXIF counts; 1 is upright."""
    several: bool = False
    """Whether there are further pictures: an animation, or pages."""


def look_at(data: bytes) -> Declared:
    """Look at a file's headers. Raises ValueError with what was found where it is not to be read.

    That is what is none of `FORMATS`, is compressed by rare methods, or has more parts or larger
    canvases than any image needs.
    """
    for start, look in _LOOKS.items():
        if data.startswith(start):
            try:
                return look(data)
            except IndexError:
                raise ValueError("data that cannot be decoded") from None
    if not data:
        raise ValueError("an empty file")
    if data[4:8] == b"ftyp":
        raise ValueError("HEIC, AVIF or video data")
    raise ValueError("none of PNG, JPEG, GIF, WebP, BMP and TIFF data")


def check_side(width: int, height: int) -> None:
    """Raise ValueError for an image that is too large."""
    if max(width, height) > MAX_SIDE:
        raise ValueError(f"{width}x{height} pixels declared, at most {MAX_SIDE}x{MAX_SIDE} allowed")


def _jpeg(data: bytes) -> Declared:
    """Leave descriptions out: all application segments but JFIF and Adobe's, and comments."""
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise ValueError(f"a JPEG of more than {MAX_SCANS} scans")
    kept, at, orientation = [data[:2]], 2, 1
    for _ in range(MAX_PARTS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data) or data[at + 1] == 0xDA:
            return Declared(b"".join([*kept, data[at:] if at >= 0 else b""]), orientation)
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD9:  # without a length
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
                orientation = _orientation(data[at + 10 : end])
            if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
                kept.append(data[at:end])
            at = end
    raise ValueError("a JPEG of far too many parts")


def _png(data: bytes) -> Declared:
    orientation, several, at = 1, False, 8
    for _ in range(MAX_PARTS):
        kind, size = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4])
        if kind == b"eXIf":
            orientation = _orientation(data[at + 8 : at + 8 + size])
        elif kind == b"acTL":
            several = int.from_bytes(data[at + 8 : at + 12]) > 1
        at += 12 + size
        if at >= len(data):
            return Declared(data, orientation, several)
    raise ValueError("a PNG of far too many parts")


def _gif(data: bytes) -> Declared:
    """Leave out all but the first picture and what says which of its colours is transparent."""
    at = 13 + _colours(data[10])
    head, control, picture = data[:at], b"", b""
    while at < len(data) and data[at] in b"\x21\x2c":
        start = at
        if data[start] == 0x2C:
            if picture:
                return Declared(head + control + picture + b";", several=True)
            at = _past_blocks(data, start + 11 + _colours(data[start + 9]))
            picture = data[start:at]
        else:
            at = _past_blocks(data, start + 2)
            if data[start + 1] == 0xF9 and not picture:
                control = data[start:at]
    return Declared(head + control + picture + b";")


def _colours(flags: int) -> int:
    """Return the bytes of a GIF's table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _past_blocks(data: bytes, at: int) -> int:
    for _ in range(MAX_PARTS):
        size = data[at] if at < len(data) else 0
        at += size + 1
        if not size:
            return at
    raise ValueError("a GIF of far too many parts")


def _webp(data: bytes) -> Declared:
    """Check the size of the canvas, for which Pillow takes memory before it says the size."""
    if data[8:12] != b"WEBP":
        raise ValueError("none of PNG, JPEG, GIF, WebP, BMP and TIFF data")
    kind, numbers = data[12:16], [int.from_bytes(data[at : at + 3], "little") for at in (24, 27)]
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        numbers = [bits & 0x3FFF, bits >> 14 & 0x3FFF]
    elif kind == b"VP8 ":
        places = (26, 28)
        numbers = [(int.from_bytes(data[at : at + 2], "little") & 0x3FFF) - 1 for at in places]
    elif kind != b"VP8X":
        raise ValueError("data that cannot be decoded")
    check_side(numbers[0] + 1, numbers[1] + 1)
    orientation, pictures, at = 1, 0, 12
    for _ in range(MAX_PARTS):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        pictures += kind == b"ANMF"
        if kind == b"EXIF":
            orientation = _orientation(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
        if at >= len(data):
            return Declared(data, orientation, pictures > 1)
    raise ValueError("a WebP of far too many parts")


def _bmp(data: bytes) -> Declared:
    method = int.from_bytes(data[30:34], "little")
    if int.from_bytes(data[14:18], "little") != 12 and method not in (0, 3):
        raise ValueError(f"a BMP compressed by method {method}")
    return Declared(data)


@dataclass(frozen=True, slots=True)
class _Tag:
    """An entry of a directory of TIFF, which EXIF is too."""

    number: int
    values: tuple[int, ...]
    """At most 16 of them; none of a kind that is not whole numbers."""
    size: int
    entry: bytes


def _tiff(data: bytes) -> Declared:
    """Leave out all that does not serve to decode the first picture."""
    if data[2:4] not in (b"*\0", b"\0*"):
        raise ValueError("a BigTIFF")
    order, at = _order(data), _start(data)
    tags = list(_tags(data))
    # Of floats it says more than their bits, which are unusual too.
    for tag in sorted(tags, key=lambda tag: tag.number != _SAMPLE_KIND):
        _check_tiff(tag)
    if {16} <= _values_of(tags, _BITS) and {0} <= _values_of(tags, _MEANING):
        raise ValueError("a TIFF of 16 bits that count from white to black")
    kept = [tag.entry for tag in tags if tag.number in _TIFF_TAGS]
    following = data[at + 2 + 12 * len(tags) :][:4]
    if len(following) < 4:
        raise ValueError("data that cannot be decoded")
    directory = len(kept).to_bytes(2, order) + b"".join(kept) + bytes(4)
    turned = min(_values_of(tags, _ORIENTATION), default=1)
    return Declared(
        data[:at] + directory + data[at + len(directory) :],
        turned if 1 <= turned <= 8 else 1,
        several=any(following),
    )


def _check_tiff(tag: _Tag) -> None:
    """Raise ValueError for pixels whose white is not known, or that rare decoders unpack."""
    if tag.number in _TIFF_TAGS and tag.size > MAX_TAG_BYTES:
        raise ValueError("a TIFF that describes itself at far too much length")
    if tag.number == _SAMPLE_KIND and set(tag.values) != {1}:
        kind = "floating-point" if 3 in tag.values else "signed"
        raise ValueError(f"a TIFF of {kind} pixels, whose black and white are not known")
    if tag.number == _BITS and set(tag.values) not in ({1}, {2}, {4}, {8}, {16}):
        raise ValueError(f"a TIFF of {'/'.join(map(str, tag.values))} bits")
    if tag.number == _COMPRESSION and not set(tag.values) <= {*_TIFF_COMPRESSIONS}:
        raise ValueError(f"a TIFF compressed by method {tag.values[0] if tag.values else '?'}")
    if tag.number == _CHANNELS and max(tag.values, default=0) > _MOST_CHANNELS:
        raise ValueError(f"a TIFF of {max(tag.values)} channels")
    if tag.number == _MEANING and not set(tag.values) <= {0, 1, 2, 3, 5}:
        raise ValueError(f"a TIFF of colours of kind {tag.values[0] if tag.values else '?'}")
    if tag.number in _TILE_SIDES and max(tag.values, default=0) > MAX_SIDE:
        raise ValueError(f"a TIFF with tiles of {max(tag.values)} pixels")


def _values_of(tags: list[_Tag], number: int) -> set[int]:
    return {value for tag in tags if tag.number == number for value in tag.values}


def _orientation(exif: bytes) -> int:
    """Return how a picture is turned by its EXIF; 1 where it does not say so."""
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    turned = min(_values_of(list(_tags(exif)), _ORIENTATION), default=1)
    return turned if 1 <= turned <= 8 else 1


def _order(data: bytes) -> _Order:
    return "little" if data[:2] == b"II" else "big"


def _start(data: bytes) -> int:
    return int.from_bytes(data[4:8], _order(data))


def _tags(data: bytes) -> Iterator[_Tag]:
    """Go through the first directory of a TIFF."""
    order, at = _order(data), _start(data)
    count = int.from_bytes(data[at : at + 2], order)
    for place in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
        entry = data[place : place + 12]
        kind, length = int.from_bytes(entry[2:4], order), int.from_bytes(entry[4:8], order)
        unit = _UNITS.get(kind, 0)
        size = unit * length
        start = place + 8 if size <= 4 else int.from_bytes(entry[8:12], order)
        ends = range(start, start + unit * min(length, 16), unit) if kind in (1, 3, 4) else ()
        values = tuple(int.from_bytes(data[at : at + unit], order) for at in ends)
        yield _Tag(int.from_bytes(entry[:2], order), values, size, entry)


_LOOKS: dict[bytes, Callable[[bytes], Declared]] = {
    b"\xff\xd8": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"RIFF": _webp,
    b"BM": _bmp,
    b"II": _tiff,
    b"MM": _tiff,
}
