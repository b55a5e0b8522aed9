"""Data sets in an `.npz`: `x_train`, `y_train`, `x_test`, `y_test`, and maybe `class_names`.

Or images alone, where no labels are needed. The file may be damaged or made to do harm: what a
member says of itself is checked before a byte of it is decompressed, and nothing in it is ever
unpickled.
"""

import io
import math
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from kextract.datasets.images import (
    MAX_SIDE,
    Arrays,
    Labels,
    Pixels,
    check_channels,
    check_image_shape,
    hold_out_test,
)
from kextract.datasets.names import numerals
from kextract.datasets.pixel_scale import pixel_scale, range_of
from kextract.errors import DatasetError
from kextract.text import counted, one_line

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
MAX_CLASSES = 100_000
_SPLITS = ("train", "test")
_KINDS = {
    "x_train": "uifb",
    "y_train": "uifb",
    "x_test": "uifb",
    "y_test": "uifb",
    "class_names": "U",
}
"""The arrays that are read, with the NumPy kinds that each may be of."""
_IMAGES = ("x_train", "x", "images", "x_test")
"""What images without labels may be called; the first that is there is taken."""


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


_NONE = Header((), np.dtype(np.uint8))


def read_npz(
    path: Path, say: Callable[[str], object] = lambda text: None
) -> tuple[Arrays, tuple[str, ...] | None]:
    """Read the images, the labels and, where the file has them, the names of its classes.

    Images may be (n, h, w) or (n, h, w, c), of numbers that `pixel_scale` knows; `say` is given
    what it took them for where that is worth a line. Labels may be integers, (n,) or (n, 1), or
    one-hot rows, (n, classes). A file with only a training split has a sixth of it, always the
    same images, set aside as its test split; one with only a test split gives None for the other.
    Raises DatasetError, naming the file, for anything else.
    """
    where = one_line(path)
    with open_npz(path, _KINDS) as npz:
        splits = [split for split in _SPLITS if _has(where, npz, split)]
        if not splits:
            raise DatasetError(
                f"{where}: expected the arrays x_train, y_train, x_test, y_test "
                f"(or only one of the two splits), found {_listed(npz)}"
            )
        for split in splits:
            _check_headers(where, split, npz.headers[f"x_{split}"], npz.headers[f"y_{split}"])
        labels = {split: _labels(f"{where}: y_{split}", npz.read(f"y_{split}")) for split in splits}
        # Rows of one-hot labels say how many classes there are, also of those without images.
        columns = max(npz.headers[f"y_{split}"].shape[1:] or (1,) for split in splits)[0]
        names = _class_names(where, npz) or (numerals(columns) if columns > 1 else None)
        images = _images(where, {split: npz.read(f"x_{split}") for split in splits}, say)
    if splits == ["train"]:
        return hold_out_test(where, images["train"], labels["train"]), names
    arrays = images.get("train"), labels.get("train"), images["test"], labels["test"]
    return arrays, names


def read_images(path: Path, say: Callable[[str], object] = lambda text: None) -> Pixels:
    """Read images without their labels: uint8 (n, h, w, c) of any size, c 1 or 3.

    The array is `x_train`, `x`, `images` or `x_test`, with pixels as `read_npz` takes them. `say`
    is given how many there are, and what else is worth a line. Raises DatasetError, naming the
    file, for anything else.
    """
    where = one_line(path)
    with open_npz(path, dict.fromkeys(_IMAGES, "uifb")) as npz:
        name = next((name for name in _IMAGES if name in npz.headers), None)
        if name is None:
            raise DatasetError(
                f"{where}: expected images as the array {', '.join(_IMAGES[:-1])} or {_IMAGES[-1]},"
                f" found {_listed(npz)}"
            )
        file, where = where, f"{where}: {name}"
        shape = npz.headers[name].shape
        if len(shape) not in (3, 4) or not all(shape):
            raise DatasetError(
                f"{where}: expected images, (n, h, w) or (n, h, w, c), found shape {shape}"
            )
        if len(shape) == 3 and shape[2] in (1, 3):
            raise DatasetError(
                f"{where}: expected images, (n, h, w) or (n, h, w, c), found a single one of shape"
                f" {shape}; give it another axis, as {name}[None] does"
            )
        check_channels(where, (*shape[1:], 1)[:3])
        if max(shape[1:3]) > MAX_SIDE:
            raise DatasetError(
                f"{where}: expected at most {MAX_SIDE}x{MAX_SIDE} pixels, found"
                f" {shape[1]}x{shape[2]}"
            )
        # White is the same number in both splits, of which either may be too dark to tell.
        pair = [name, "x_test"] if name == "x_train" else [name]
        raw = {
            each: npz.read(each) for each in pair if npz.headers.get(each, _NONE).shape[:1] > (0,)
        }
    scale, notes = pixel_scale(file, {split: range_of(images) for split, images in raw.items()})
    say(f"{file}: {counted(len(raw[name]), 'image')} used, those of {name}")
    for note in notes:
        say(note)
    return scale.to_uint8(_with_channels(raw[name]))


def names_for(arrays: Arrays) -> tuple[str, ...]:
    """Number the classes where they have no names: as many as the highest label asks for."""
    highest = max(
        int(labels.max()) for labels in arrays[1::2] if labels is not None and labels.size
    )
    return numerals(highest + 1)


def _listed(npz: NpzFile) -> str:
    return ", ".join(one_line(name)[:40] for name in npz.names[:6]) or "nothing"


def _has(where: str, npz: NpzFile, split: str) -> bool:
    pair = (f"x_{split}", f"y_{split}")
    missing = [name for name in pair if name not in npz.headers]
    if len(missing) == 1:
        raise DatasetError(f"{where}: expected both {pair[0]} and {pair[1]}, found no {missing[0]}")
    return not missing


def _check_headers(where: str, split: str, images: Header, labels: Header) -> None:
    """Refuse what cannot become images and labels before reading any of it."""
    if len(images.shape) not in (3, 4):
        raise DatasetError(
            f"{where}: expected x_{split} of shape (n, h, w) or (n, h, w, c), found {images.shape}"
        )
    check_image_shape(f"{where}: x_{split}", (*images.shape[1:], 1)[:3])
    if not images.shape[0]:
        raise DatasetError(f"{where}: expected at least one image in x_{split}, found none")
    columns = labels.shape[1:] or (1,)
    if labels.shape[:1] != images.shape[:1] or len(columns) > 1 or not columns[0]:
        raise DatasetError(
            f"{where}: expected y_{split} with {images.shape[0]} labels, one for each image, "
            f"found shape {labels.shape}"
        )


def _images(
    where: str, raw: dict[str, NDArray[Any]], say: Callable[[str], object]
) -> dict[str, Pixels]:
    """Bring both splits to uint8 (n, h, w, c), by the same rule."""
    scale, notes = pixel_scale(
        where, {f"x_{split}": range_of(images) for split, images in raw.items()}
    )
    for note in notes:
        say(note)
    return {split: scale.to_uint8(_with_channels(images)) for split, images in raw.items()}


def _with_channels(images: NDArray[Any]) -> NDArray[Any]:
    return images[..., None] if images.ndim == 3 else images


def _labels(where: str, raw: NDArray[Any]) -> Labels:
    """Bring labels, or one-hot rows, to int64 (n,)."""
    if raw.ndim == 2 and raw.shape[1] > 1:
        if not (((raw == 0) | (raw == 1)).all() and (raw.sum(axis=1) == 1).all()):
            raise DatasetError(f"{where}: expected one-hot rows (a single 1 each), found others")
        return np.asarray(raw.argmax(axis=1), dtype=np.int64)
    if raw.dtype.kind not in "ui":
        raise DatasetError(f"{where}: expected integers or one-hot rows, found {raw.dtype}")
    if raw.size and not 0 <= int(raw.min()) <= int(raw.max()) < MAX_CLASSES:
        raise DatasetError(
            f"{where}: expected labels from 0 to at most {MAX_CLASSES - 1}, "
            f"found {raw.min()} to {raw.max()}"
        )
    return raw.reshape(-1).astype(np.int64)


def _class_names(where: str, npz: NpzFile) -> tuple[str, ...] | None:
    header = npz.headers.get("class_names")
    if header is None:
        return None
    if len(header.shape) != 1 or header.shape[0] > MAX_CLASSES:
        raise DatasetError(f"{where}: expected class_names as one row, found shape {header.shape}")
    names = npz.read("class_names")
    codes = np.frombuffer(names.tobytes(), names.dtype.byteorder + "u4")
    if codes.max(initial=0) > sys.maxunicode:
        raise DatasetError(f"{where}: expected class_names of text, found codes of no character")
    return tuple(one_line(name) for name in names)


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
