"""Untrusted HDF5 files: every object is checked before anything of it is read.

An HDF5 file can point at other files, run filters, declare petabytes and refer to itself. None of
that has a place in a weights file, so `open_checked` refuses it, and `CheckedFile` reads nothing
whose type, shape and storage are not exactly those asked for.
"""

import hashlib
import math
import os
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t
from numpy.typing import NDArray

from kextract.errors import CheckpointError, Refused
from kextract.hdf5.raw_checks import check_raw
from kextract.text import error_line, printable

MAX_FILE_BYTES = 4 << 30
MAX_OBJECTS = 20_000
MAX_DEPTH = 32
MAX_ATTRIBUTES = 1_000

_NUMBERS = {
    "<f4": "float32", "<f8": "float64", "<i4": "int32", "<i8": "int64",
}  # fmt: skip

# What h5py and NumPy are known to raise on damaged files.
_DAMAGE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
)

MAX_TEXT_BYTES = 1 << 20
"""Longest text of fixed length, or list of such texts, that is read."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """An open file whose structure was checked: a finite tree of plain groups and data sets."""

    root: Any
    size: int
    """Bytes."""
    groups: frozenset[str]
    datasets: tuple[str, ...]
    """Paths without a leading slash."""

    def has_attribute(self, name: str) -> bool:
        """Tell whether the root has an attribute of this name."""
        return bool(h5a.exists(self.root, name.encode()))

    def attribute(self, name: str, dtype: str, shape: tuple[int, ...] = ()) -> NDArray[Any]:
        """Read a numeric root attribute of exactly this dtype and shape."""
        item, what = _attribute(self.root, name)
        _expect(item, what, dtype, shape)
        value = np.empty(shape, dtype)
        item.read(value)
        return value

    def text_attribute(self, name: str) -> str:
        """Read a root attribute that is one fixed-length UTF-8 string."""
        item, what = _attribute(self.root, name)
        value = np.empty((), _text_dtype(item, what))
        item.read(value, mtype=item.get_type())
        return _text(bytes(value[()]), MAX_TEXT_BYTES, what)

    def long_text_attribute(self, name: str, limit: int) -> str:
        """Read a root attribute that is one UTF-8 string of at most `limit` bytes, of any kind."""
        (text,) = _texts(self.root, name, (), limit)
        return text

    def names_attribute(self, group: str, name: str) -> list[str]:
        """Read a group's attribute that is a list of names; Keras cuts long ones into several."""
        if group not in self.groups:
            raise Refused(f"'{printable(group)}' is missing")
        item = h5g.open(self.root, group.encode())
        found = []
        for part in (name, *(f"{name}{number}" for number in range(MAX_ATTRIBUTES))):
            if h5a.exists(item, part.encode()):
                found += _texts(item, part, None, MAX_TEXT_BYTES)
            elif part != name:
                break
        return found

    def shape(self, path: str) -> tuple[int, ...]:
        """Give the shape that a plainly stored data set declares."""
        item, what = self._dataset(path)
        found = _shape(item)
        if found is None:
            raise Refused(f"{what} has no shape")
        return found

    def numbers(self, path: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Read a data set of exactly this shape, of floats or whole numbers of any usual size."""
        item, what = self._dataset(path)
        dtype = next((dtype for dtype in _NUMBERS if _is_of(item, dtype)), None)
        if dtype is None:
            raise Refused(f"{what} is not of {', '.join(_NUMBERS.values())}")
        return self.tensor(path, dtype, shape)

    def tensor(self, path: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Read a data set of exactly this dtype and shape, stored plainly in this file."""
        item, what = self._dataset(path)
        _expect(item, what, dtype, shape)
        return self._read(item, np.empty(shape, dtype), what)

    def length(self, path: str, limit: int) -> int:
        """Give the length of a one-dimensional data set, at most `limit`."""
        shape = self.shape(path)
        if len(shape) != 1 or shape[0] > limit:
            raise Refused(f"'{path}' has shape {shape}, not one axis of at most {limit}")
        return shape[0]

    def text(self, path: str) -> str:
        """Read a scalar data set that is one fixed-length UTF-8 string."""
        item, what = self._dataset(path)
        value = self._read(item, np.empty((), _text_dtype(item, what)), what)
        return _text(bytes(value[()]), MAX_TEXT_BYTES, what)

    def _dataset(self, path: str) -> tuple[Any, str]:
        what = f"'{printable(path)}'"
        if path not in self.datasets:
            raise Refused(f"{what} is missing")
        item = h5d.open(self.root, path.encode())
        layout = item.get_create_plist()
        # Asked before the shape: only looking at a virtual data set's shape opens other files.
        if layout.get_layout() not in (h5d.CONTIGUOUS, h5d.COMPACT):
            raise Refused(f"{what} is chunked or virtual; only plain storage is read")
        if layout.get_nfilters() or layout.get_external_count():
            raise Refused(f"{what} is compressed or in another file; only plain storage is read")
        return item, what

    def _read(self, item: Any, value: NDArray[Any], what: str) -> NDArray[Any]:
        if not value.nbytes:
            return value
        stored, offset = item.get_storage_size(), item.get_offset()
        if stored != value.nbytes:
            raise Refused(f"{what} declares {value.nbytes} bytes and stores {stored}")
        if offset is not None and offset + stored > self.size:
            raise Refused(f"{what} lies outside the file")
        item.read(h5s.ALL, h5s.ALL, value, mtype=item.get_type())
        return value


class OpenFile:
    """A file that is opened once, is checked once, and is read from as often as it takes.

    It is closed with the last reference to it, or by `close`. Raises Refused for what is not a
    regular file, and OSError.
    """

    def __init__(self, path: Path) -> None:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Refused("is not a regular file")
        self.path = path
        self.raw = path.open("rb")
        self.size = os.fstat(self.raw.fileno()).st_size
        self._close = weakref.finalize(self, self.raw.close)
        self._file: h5py.File | None = None
        self._checked: CheckedFile | None = None

    def close(self) -> None:
        """Close it; may come again."""
        if self._file is not None:
            self._file.close()
        self._close()

    def content(self) -> bytes:
        """Read all of it; it is not kept in memory."""
        self.raw.seek(0)
        return self.raw.read()

    @cached_property
    def sha256(self) -> str:
        """The hash over all of it, 64 hexadecimal digits."""
        self.raw.seek(0)
        return hashlib.file_digest(self.raw, "sha256").hexdigest()

    def hdf5(self) -> CheckedFile:
        """Check the file's structure as HDF5. Raises Refused, and whatever h5py raises."""
        if self._checked is None:
            if not self.size:
                raise Refused("is empty")
            if self.size > MAX_FILE_BYTES:
                raise Refused(f"has {self.size} bytes; at most {MAX_FILE_BYTES} are read")
            check_raw(self.raw)
            # Locks fail on read-only network folders, and checkpoints are never changed in place.
            self._file = h5py.File(self.raw, "r", locking=False)
            groups, datasets = _scan(self._file.id)
            root = h5g.open(self._file.id, b"/")
            self._checked = CheckedFile(root, self.size, groups, datasets)
        return self._checked


@contextmanager
def opened(where: Path | OpenFile) -> Iterator[OpenFile]:
    """Open a file for the block, unless it is open already."""
    if isinstance(where, OpenFile):
        yield where
        return
    file = OpenFile(where)
    try:
        yield file
    finally:
        file.close()


def path_of(where: Path | OpenFile) -> Path:
    """Give the path of a file, open or not."""
    return where if isinstance(where, Path) else where.path


@contextmanager
def open_checked(where: Path | OpenFile, *, called: str | None = None) -> Iterator[CheckedFile]:
    """Open an HDF5 file, if it is not, and check its structure; nothing in it is read yet.

    Raises CheckpointError, also for whatever h5py or a `Refused` raises inside the block: one line
    that names the file and what is wrong. A file that the user does not know is `called` otherwise.
    """
    with refusing(called or f"'{path_of(where)}'", _DAMAGE), opened(where) as file:
        yield file.hdf5()


@contextmanager
def refusing(name: str, damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn `Refused`, and what reading a missing or damaged file raises, into a CheckpointError."""
    try:
        yield
    except Refused as error:
        raise CheckpointError(f"{name}: {error}") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{name}: no such file") from error
    except damage as error:
        why = printable(error_line(error))
        raise CheckpointError(f"{name}: damaged or not readable ({why})") from error


def _scan(root: Any) -> tuple[frozenset[str], tuple[str, ...]]:
    """Walk all objects, none twice, and return the paths of the groups and of the data sets."""
    groups: set[str] = set()
    datasets: list[str] = []
    seen = {h5o.get_info(root).addr}
    waiting = [("", h5g.open(root, b"/"), 0)]
    while waiting:
        path, group, depth = waiting.pop()
        _check_attributes(group, path)
        for name in _names(group, MAX_OBJECTS - len(seen)):
            child = f"{path}/{_check_name(name)}".lstrip("/")
            kind = _check_child(group, name, child, seen)
            if kind == h5o.TYPE_DATASET:
                datasets.append(child)
            elif depth >= MAX_DEPTH:
                raise Refused(f"'{printable(child)}' is nested more than {MAX_DEPTH} groups deep")
            else:
                groups.add(child)
                waiting.append((child, h5g.open(group, name), depth + 1))
    return frozenset(groups), tuple(datasets)


def _names(group: Any, limit: int) -> list[bytes]:
    names: list[bytes] = []

    def collect(name: bytes) -> bool:
        names.append(name)
        return len(names) > limit

    if group.links.iterate(collect)[0]:
        raise Refused(f"holds more than {MAX_OBJECTS} objects")
    return names


def _check_name(name: bytes) -> str:
    text = name.decode("utf-8", "strict")
    if text in ("", ".", "..") or "/" in text or not text.isprintable():
        raise Refused(f"an object has the name '{printable(name)}'")
    return text


def _check_child(group: Any, name: bytes, child: str, seen: set[int]) -> int:
    if group.links.get_info(name).type != h5l.TYPE_HARD:
        raise Refused(f"'{printable(child)}' is a soft or external link")
    about = h5o.get_info(group, name)
    if about.type not in (h5o.TYPE_GROUP, h5o.TYPE_DATASET):
        raise Refused(f"'{printable(child)}' is neither a group nor a data set")
    if about.addr in seen or about.rc != 1:
        raise Refused(f"'{printable(child)}' is linked more than once")
    seen.add(about.addr)
    return int(about.type)


def _check_attributes(group: Any, path: str) -> None:
    count = h5a.get_num_attrs(group)
    if count > MAX_ATTRIBUTES:
        raise Refused(f"'/{printable(path)}' has {count} attributes")
    for index in range(count):
        if h5a.get_info(group, index=index).data_size > MAX_TEXT_BYTES:
            raise Refused(f"'/{printable(path)}' has an attribute of over {MAX_TEXT_BYTES} bytes")


def _attribute(item: Any, name: str) -> tuple[Any, str]:
    if not h5a.exists(item, name.encode()):
        raise Refused(f"attribute '{name}' is missing")
    return h5a.open(item, name.encode()), f"attribute '{name}'"


def _shape(item: Any) -> tuple[int, ...] | None:
    """Give the shape of an attribute or a data set; None where it has none."""
    space = item.get_space()
    if space.get_simple_extent_type() not in (h5s.SIMPLE, h5s.SCALAR):
        return None
    return tuple(map(int, space.get_simple_extent_dims()))


def _is_of(item: Any, dtype: str) -> bool:
    kind = item.get_type()
    return not kind.committed() and kind.equal(h5t.py_create(np.dtype(dtype)))


def _expect(item: Any, what: str, dtype: str, shape: tuple[int, ...]) -> None:
    if not _is_of(item, dtype):
        raise Refused(f"{what} is not of type {np.dtype(dtype).name} (little-endian)")
    if (found := _shape(item)) != shape:
        raise Refused(f"{what} has shape {found}, expected {shape}")


def _text_dtype(item: Any, what: str) -> str:
    """Check that an attribute or a data set is one text of fixed length."""
    kind = item.get_type()
    if kind.committed() or kind.get_class() != h5t.STRING or kind.is_variable_str():
        raise Refused(f"{what} is not a fixed-length string")
    if (found := _shape(item)) != ():
        raise Refused(f"{what} has shape {found}, expected ()")
    if kind.get_size() > MAX_TEXT_BYTES:
        raise Refused(f"{what} declares {kind.get_size()} bytes; at most {MAX_TEXT_BYTES} are read")
    return f"S{kind.get_size()}"


def _texts(item: Any, name: str, shape: tuple[int, ...] | None, limit: int) -> list[str]:
    """Read an attribute that is one UTF-8 text, or a list of any length where `shape` is None.

    Each text may have `limit` bytes; those of variable length are in heaps whose sizes `check_raw`
    has seen.
    """
    attribute, what = _attribute(item, name)
    kind, found = attribute.get_type(), _shape(attribute)
    if found is None or len(found) > 1 or shape not in (None, found):
        raise Refused(f"{what} has shape {found}, expected {shape or 'a list'}")
    if found == (0,):
        # NumPy has no texts in an empty list, so Keras writes one of numbers.
        return []
    if kind.committed() or kind.get_class() != h5t.STRING:
        raise Refused(f"{what} is not text")
    if math.prod(found) * kind.get_size() > max(limit, MAX_TEXT_BYTES):
        raise Refused(f"{what} is longer than {limit} bytes")
    value = np.empty(found, attribute.dtype)
    # In the type of `value`: in the file's own, HDF5 would write pointers where NumPy has objects.
    attribute.read(value)
    return [_text(text, limit, what) for text in value.ravel()]


def _text(value: str | bytes, limit: int, what: str) -> str:
    """Decode one text as HDF5 gives it, padded with zeros if its length is fixed."""
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    if len(data) > limit:
        raise Refused(f"{what} is longer than {limit} bytes")
    try:
        return data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{what} is not UTF-8") from None
