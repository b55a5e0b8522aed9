"""Untrusted HDF5 files: every object is checked before anything of it is read.

An HDF5 file can point at other files, run filters, declare petabytes and refer to itself. None of
that has a place in a weights file, so `open_checked` refuses it, and `CheckedFile` reads nothing
whose type, shape and storage are not exactly those asked for.
"""

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
        item = self._open_attribute(name)
        _expect_type(item.get_type(), np.dtype(dtype), f"attribute '{name}'")
        _expect_shape(item.get_space(), shape, f"attribute '{name}'")
        value = np.empty(shape, dtype)
        item.read(value)
        return value

    def text_attribute(self, name: str) -> str:
        """Read a root attribute that is one fixed-length UTF-8 string."""
        item = self._open_attribute(name)
        what = f"attribute '{name}'"
        value = np.empty((), _text_dtype(item.get_type(), item.get_space(), what))
        item.read(value, mtype=item.get_type())
        return _decode(value, what)

    def long_text_attribute(self, name: str, limit: int) -> str:
        """Read a root attribute that is one UTF-8 string of at most `limit` bytes, of any kind."""
        (text,) = read_texts(self.root, name, (), limit)
        return text

    def names_attribute(self, group: str, name: str) -> list[str]:
        """Read a group's attribute that is a list of names; Keras cuts long ones into several."""
        if group not in self.groups:
            raise Refused(f"'{printable(group)}' is missing")
        item = h5g.open(self.root, group.encode())
        if h5a.exists(item, name.encode()):
            return read_texts(item, name, None, MAX_TEXT_BYTES)
        found: list[str] = []
        for number in range(MAX_ATTRIBUTES):
            if not h5a.exists(item, f"{name}{number}".encode()):
                break
            found += read_texts(item, f"{name}{number}", None, MAX_TEXT_BYTES)
        return found

    def shape(self, path: str) -> tuple[int, ...]:
        """Give the shape that a plainly stored data set declares."""
        item, what = self._open_dataset(path)
        space = item.get_space()
        if space.get_simple_extent_type() not in (h5s.SIMPLE, h5s.SCALAR):
            raise Refused(f"{what} has no shape")
        return tuple(space.get_simple_extent_dims())

    def numbers(self, path: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Read a data set of exactly this shape, of floats or whole numbers of any usual size."""
        item, what = self._open_dataset(path)
        kind = item.get_type()
        known = [dtype for dtype in _NUMBERS if kind.equal(h5t.py_create(np.dtype(dtype)))]
        if kind.committed() or not known:
            raise Refused(f"{what} is not of {', '.join(_NUMBERS.values())}")
        _expect_shape(item.get_space(), shape, what)
        return self._read(item, np.empty(shape, known[0]), what)

    def tensor(self, path: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Read a data set of exactly this dtype and shape, stored plainly in this file."""
        item, what = self._open_dataset(path)
        _expect_type(item.get_type(), np.dtype(dtype), what)
        _expect_shape(item.get_space(), shape, what)
        return self._read(item, np.empty(shape, dtype), what)

    def place(self, path: str, dtype: str, shape: tuple[int, ...]) -> int:
        """Give where a data set of exactly this dtype and shape begins in the file, in bytes."""
        item, what = self._open_dataset(path)
        _expect_type(item.get_type(), np.dtype(dtype), what)
        _expect_shape(item.get_space(), shape, what)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        offset = item.get_offset()
        if offset is None or item.get_storage_size() != size or offset + size > self.size:
            raise Refused(f"{what} lies outside the file")
        return int(offset)

    def length(self, path: str, limit: int) -> int:
        """Give the length of a one-dimensional data set, at most `limit`."""
        item, what = self._open_dataset(path)
        shape = tuple(item.get_space().get_simple_extent_dims())
        if len(shape) != 1 or shape[0] > limit:
            raise Refused(f"{what} has shape {shape}, not one axis of at most {limit}")
        return int(shape[0])

    def text(self, path: str) -> str:
        """Read a scalar data set that is one fixed-length UTF-8 string."""
        item, what = self._open_dataset(path)
        dtype = _text_dtype(item.get_type(), item.get_space(), what)
        return _decode(self._read(item, np.empty((), dtype), what), what)

    def _open_attribute(self, name: str) -> Any:
        if not self.has_attribute(name):
            raise Refused(f"attribute '{name}' is missing")
        return h5a.open(self.root, name.encode())

    def _open_dataset(self, path: str) -> tuple[Any, str]:
        if path not in self.datasets:
            raise Refused(f"'{printable(path)}' is missing")
        what = f"'{printable(path)}'"
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


@contextmanager
def open_checked(path: Path, *, called: str | None = None) -> Iterator[CheckedFile]:
    """Open an HDF5 file and check its structure; nothing in it is read yet.

    Raises CheckpointError, also for whatever h5py or a `Refused` raises inside the block: one line
    that names the file and what is wrong. A file that the user does not know is `called` otherwise.
    """
    name = called or f"'{path}'"
    try:
        size = _check_file(path)
        # Locks fail on read-only network folders, and checkpoints are never changed in place.
        with h5py.File(path, "r", locking=False) as file:
            groups, datasets = _scan(file.id)
            yield CheckedFile(h5g.open(file.id, b"/"), size, groups, datasets)
    except Refused as error:
        raise CheckpointError(f"{name}: {error}") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{name}: no such file") from error
    except _DAMAGE as error:
        why = printable(error_line(error))
        raise CheckpointError(f"{name}: damaged or not readable ({why})") from error


def _check_file(path: Path) -> int:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is not a regular file")
    if not status.st_size:
        raise Refused("is empty")
    if status.st_size > MAX_FILE_BYTES:
        raise Refused(f"has {status.st_size} bytes; at most {MAX_FILE_BYTES} are read")
    check_raw(path)
    return status.st_size


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


def _expect_type(found: Any, dtype: np.dtype[Any], what: str) -> None:
    if found.committed() or not found.equal(h5t.py_create(dtype)):
        raise Refused(f"{what} is not of type {dtype.name} (little-endian)")


def _expect_shape(space: Any, shape: tuple[int, ...], what: str) -> None:
    kind = space.get_simple_extent_type()
    found = tuple(space.get_simple_extent_dims()) if kind in (h5s.SIMPLE, h5s.SCALAR) else None
    if found != shape:
        raise Refused(f"{what} has shape {found}, expected {shape}")


def _text_dtype(found: Any, space: Any, what: str) -> str:
    if found.committed() or found.get_class() != h5t.STRING or found.is_variable_str():
        raise Refused(f"{what} is not a fixed-length string")
    _expect_shape(space, (), what)
    size = int(found.get_size())
    if size > MAX_TEXT_BYTES:
        raise Refused(f"{what} declares {size} bytes; at most {MAX_TEXT_BYTES} are read")
    return f"S{size}"


def _decode(value: NDArray[Any], what: str) -> str:
    try:
        return bytes(value[()]).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{what} is not UTF-8") from None


def read_texts(item: Any, name: str, shape: tuple[int, ...] | None, limit: int) -> list[str]:
    """Read an attribute that is one UTF-8 text, or of any length where `shape` is None.

    Each text may have `limit` bytes; those of variable length are in heaps whose sizes `check_raw`
    has seen. Raises Refused.
    """
    what = f"attribute '{name}'"
    if not h5a.exists(item, name.encode()):
        raise Refused(f"{what} is missing")
    attribute = h5a.open(item, name.encode())
    kind, space = attribute.get_type(), attribute.get_space()
    simple = space.get_simple_extent_type() in (h5s.SIMPLE, h5s.SCALAR)
    found = tuple(space.get_simple_extent_dims()) if simple else None
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
