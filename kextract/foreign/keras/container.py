"""The zip around a Keras model, read without trusting it.

Keras writes three members and nothing else. Python's `zipfile` does the reading, but only after the
end of the file was looked at: a directory of a million members would be in memory before anyone
could count them.
"""

import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kextract.errors import Refused
from kextract.hdf5.safe_hdf5 import MAX_FILE_BYTES, OpenFile, opened, path_of
from kextract.text import printable

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
LIMITS = {CONFIG: 4 << 20, METADATA: 64 << 10, WEIGHTS: MAX_FILE_BYTES}
"""The members, and how many bytes each may have."""
MAX_RATIO = 200
"""How many times a member may grow when it is decompressed; weights hardly shrink at all."""

SIGNATURE = b"PK\x03\x04"
_CHUNK = 1 << 20
_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = b"PK\x06\x07"
_LOCATOR_BYTES = 20
_LOCAL = struct.Struct("<4s22x2H")
_MAX_DIRECTORY = 4096
_DESCRIBED_LATER = 0x08
_DESCRIPTOR_BYTES = 24
# Encrypted, patched, strongly encrypted, with a hidden directory.
_UNREAD_FLAGS = 0x01 | 0x20 | 0x40 | 0x2000


class Container:
    """An open archive of exactly the three members; nothing of them is decompressed yet."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def read(self, name: str) -> bytes:
        """Decompress one member into memory; for the small ones."""
        return b"".join(self._chunks(name))

    def extract(self, name: str, target: IO[bytes]) -> None:
        """Decompress one member into an open file, piece by piece."""
        for chunk in self._chunks(name):
            target.write(chunk)

    def _chunks(self, name: str) -> Iterator[bytes]:
        left = self._archive.getinfo(name).file_size
        with self._archive.open(name) as stream:
            # One more than declared: zipfile compares the checksum where a read meets the end.
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise Refused(f"'{name}' is longer than it declares")
                yield chunk
        if left:
            raise Refused(f"'{name}' is shorter than it declares")


def is_archive(where: Path | OpenFile) -> bool:
    """Tell whether a file is meant as a Keras archive: by its name, or by its first bytes."""
    if path_of(where).suffix == ".keras":
        return True
    try:
        with opened(where) as file:
            file.raw.seek(0)
            return file.raw.read(len(SIGNATURE)) == SIGNATURE
    except (OSError, Refused):
        return False


@contextmanager
def open_container(file: OpenFile) -> Iterator[Container]:
    """Open an archive and check all that it declares. Raises Refused and what zipfile raises."""
    if file.size > MAX_FILE_BYTES:
        raise Refused(f"has {file.size} bytes; at most {MAX_FILE_BYTES} are read")
    directory = _check_end(file.raw, file.size)
    with zipfile.ZipFile(file.raw) as archive:
        _check_members(archive.infolist())
        _check_places(file.raw, archive.infolist(), directory)
        yield Container(archive)


def _check_end(file: IO[bytes], size: int) -> int:
    """Check the first and the last bytes; give where the directory of the archive begins."""
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise Refused("is not a Keras archive: it does not begin as a zip file does")
    if size < _END.size + _LOCATOR_BYTES:
        raise Refused("is truncated")
    file.seek(size - _END.size - _LOCATOR_BYTES)
    tail = file.read()
    mark, disk, first_disk, here, count, length, start, comment = _END.unpack_from(
        tail, _LOCATOR_BYTES
    )
    if mark != b"PK\x05\x06" or comment:
        raise Refused("is truncated, or has something after its end")
    if disk or first_disk or here != count or tail.startswith(_ZIP64_LOCATOR):
        raise Refused("is a zip file in several parts or of the 64-bit kind")
    if count > len(LIMITS) or length > _MAX_DIRECTORY:
        raise Refused(f"has {count} members; a Keras archive has {len(LIMITS)}")
    if start + length + _END.size != size:
        raise Refused("has something before its beginning or between its parts")
    return int(start)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.orig_filename for member in members]
    for member in members:
        what = f"'{printable(member.orig_filename)}'"
        if member.orig_filename not in LIMITS:
            raise Refused(f"has a member {what}; read are {', '.join(LIMITS)} and nothing else")
        if names.count(member.orig_filename) > 1:
            raise Refused(f"has {what} twice")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise Refused(f"has {what} as a link or something else that is not a file")
        if member.flag_bits & _UNREAD_FLAGS:
            raise Refused(f"has {what} encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"has {what} compressed by an unusual method")
        if member.file_size > LIMITS[member.orig_filename]:
            limit = LIMITS[member.orig_filename]
            raise Refused(f"has {what} of {member.file_size} bytes; at most {limit} are read")
        if member.file_size > max(member.compress_size, 1) * MAX_RATIO:
            raise Refused(f"has {what}, which would grow more than {MAX_RATIO} times")
    missing = sorted(set(LIMITS) - set(names))
    if missing:
        raise Refused(f"is not a Keras archive: it has no '{missing[0]}'")


def _check_places(file: IO[bytes], members: list[zipfile.ZipInfo], directory: int) -> None:
    """Make sure that the members lie one after the other and fill the file."""
    end = slack = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if not end <= member.header_offset <= end + slack:
            raise Refused("has members that overlap, or something between them")
        file.seek(member.header_offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size:
            raise Refused("is truncated")
        mark, name, extra = _LOCAL.unpack(header)
        if mark != SIGNATURE:
            raise Refused("has a member that is not where its directory says")
        end = member.header_offset + _LOCAL.size + name + extra + member.compress_size
        slack = _DESCRIPTOR_BYTES if member.flag_bits & _DESCRIBED_LATER else 0
    if not end <= directory <= end + slack:
        raise Refused("has members that overlap, or something between them")
