"""Reading arrays out of an `.npz` that may be damaged or made to do harm.

What a member says of itself is checked before a byte of it is decompressed, and nothing in it is
ever unpickled.
"""

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from kextract.errors import DatasetError
from kextract.text import one_line

MAX_BYTES = 4 << 30
"""Most that the arrays of one file may take in memory together, bytes."""
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What NumPy writes; others unpack a whole block at once, a million times its size."""
_HEADER_BYTES = 1 << 14
"""More than NumPy accepts; format 2 lets a header declare 4 GiB of itself."""

_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, tokenize.TokenError,
    EOFError, ValueError, LookupError, TypeError, SyntaxError, RuntimeError, MemoryError,
    ArithmeticError,
)  # fmt: skip
"""What zipfile and NumPy raise at damaged, encrypted or senseless files."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a member declares itself to be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class NpzFile:
    """An open `.npz`: `headers` of the wanted arrays that it has, and `read` for their contents."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, wanted: Mapping[str, str]) -> None:
        self._where = one_line(path)
        self._archive = archive
        members = [info.filename for info in archive.infolist()]
        self.names = [name.removesuffix(".npy") for name in members]
        for name in wanted:
            if self.names.count(name) > 1:
                raise DatasetError(f"{self._where}: expected {name} once, found it twice")
        self.headers = {
            name: self._header(name, kinds) for name, kinds in wanted.items() if name in self.names
        }
        total = sum(_size(header) for header in self.headers.values())
        if total > MAX_BYTES:
            raise DatasetError(
                f"{self._where}: expected arrays of at most {MAX_BYTES >> 30} GiB in all, "
                f"found {total / (1 << 30):.1f} GiB declared"
            )

    def read(self, name: str) -> NDArray[Any]:
        """Decompress the array `name`, one of `headers`."""
        with _damage_named(f"{self._where}: {name}"), self._archive.open(f"{name}.npy") as stream:
            array: NDArray[Any] = _read_array(stream)
            # zipfile compares the checksum only where a read meets the end of the member.
            if stream.read(1):
                raise ValueError("data after the end of the array")
        return array

    def _header(self, name: str, kinds: str) -> Header:
        """Check what the member `name` declares; `kinds` are the dtype kinds it may have."""
        where = f"{self._where}: {name}"
        with _damage_named(where):
            info = self._archive.getinfo(f"{name}.npy")
            if info.compress_type not in _METHODS:
                raise ValueError(f"compressed by method {info.compress_type}")
            with self._archive.open(info) as stream:
                beginning = io.BytesIO(stream.read(_HEADER_BYTES))
            header = _read_header(beginning)
            offset = beginning.tell()
        if header.dtype.hasobject or header.dtype.kind not in kinds:
            expected = "text" if kinds == "U" else "numbers"
            raise DatasetError(f"{where}: expected {expected}, found an array of {header.dtype}")
        if info.file_size != offset + _size(header):
            raise DatasetError(
                f"{where}: expected {offset + _size(header)} bytes for "
                f"{header.dtype} {header.shape}, found {info.file_size}; the file is damaged"
            )
        return header


@contextmanager
def open_npz(path: Path, wanted: Mapping[str, str]) -> Iterator[NpzFile]:
    """Open an `.npz` and check the headers of the arrays `wanted` (name -> dtype kinds).

    Raises DatasetError naming the file where it is not an `.npz`, is damaged, or declares an array
    of another kind or more than MAX_BYTES in all.
    """
    where = one_line(path)
    with _damage_named(where):
        if path.exists() and not path.is_file():
            raise ValueError("not a regular file")
        archive = zipfile.ZipFile(path)
    with archive:
        yield NpzFile(path, archive, wanted)


@contextmanager
def _damage_named(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise DatasetError(f"{where}: cannot be read ({reason})") from error
    except _DAMAGE as error:
        reason = one_line(error)[:200] or type(error).__name__
        raise DatasetError(
            f"{where}: expected a NumPy .npz archive, found damage ({reason}); make the file anew"
        ) from error


def _read_header(stream: IO[bytes]) -> Header:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"array format {version[0]}.{version[1]} is not known")
    with warnings.catch_warnings():
        # Headers written by Python 2, as in Keras's own mnist.npz.
        warnings.simplefilter("ignore", UserWarning)
        shape, _, dtype = readers[version](stream)
    if any(isinstance(length, bool) or length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    return Header(shape, dtype)


def _read_array(stream: IO[bytes]) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _size(header: Header) -> int:
    return math.prod(header.shape) * header.dtype.itemsize
