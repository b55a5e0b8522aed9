"""How a ledger of questions lies on disk: an HDF5 file whose structure never changes.

All room is reserved when the file is made, in plain arrays at fixed places. From then on only the
bytes inside these arrays are written, never HDF5's own structures, so a process that dies while it
writes cannot leave a file that does not open. How far the arrays are filled is said by three
numbers of eight bytes in one disk sector, which are written after what they speak of.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from numpy.typing import NDArray

from kextract import __version__
from kextract.errors import CheckpointError
from kextract.models.axes import Shape
from kextract.storage.atomic import atomic_write
from kextract.storage.refusal import Refused, printable
from kextract.storage.safe_hdf5 import CheckedFile, open_checked
from kextract.teachers.checking import NonsenseError, checked
from kextract.teachers.protocol import OUTPUTS

SCHEMA = 1
MARK = "kextract_ledger"
"""The root attribute that tells a ledger from other HDF5 files, and the version of its layout."""
QUESTIONS, RESPONSES, COUNTS = "questions", "answers", "counts"
MAX_CLASSES = 100_000
MAX_SIDE = 4096
MAX_CAPACITY = 100_000_000
_SECTOR = 4096


@dataclass(frozen=True, slots=True)
class Heading:
    """What all questions and responses of a ledger have in common."""

    teacher: str
    """`Teacher.name`."""
    outputs: str
    """One of `kextract.teachers.OUTPUTS`."""
    input_shape: Shape
    classes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a ledger is filled."""

    sent: int = 0
    """Images that were sent to the teacher, those that were sent again included."""
    asked: int = 0
    """Questions that are written down: the first rows."""
    answered: int = 0
    """Questions whose responses are written down: the first of them."""

    def array(self) -> NDArray[np.int64]:
        """Give the numbers as they are written."""
        return np.array([self.sent, self.asked, self.answered], "<i8")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the arrays begin, bytes from the start of the file."""

    questions: int
    responses: int
    counts: int


@dataclass(frozen=True)
class Contents:
    """All that is in a ledger."""

    heading: Heading
    capacity: int
    """Questions that there is room for."""
    counts: Counts
    places: Places
    questions: NDArray[np.uint8]
    """(asked, h, w, c)"""
    responses: NDArray[Any]
    """float32 (answered, k), or int32 (answered,)"""


def response_kind(heading: Heading) -> tuple[str, tuple[int, ...]]:
    """Return dtype and shape of the answer to one question."""
    return ("<i4", ()) if heading.outputs == "labels" else ("<f4", (heading.classes,))


def write_ledger(
    path: Path,
    heading: Heading,
    capacity: int,
    *,
    counts: Counts | None = None,
    questions: NDArray[np.uint8] | None = None,
    responses: NDArray[Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a whole ledger, empty or with what it holds already; it appears in one step.

    Raises StorageError where that is not possible, and RequestError for a file that exists.
    """
    dtype, shape = response_kind(heading)
    with (
        atomic_write(path, overwrite) as temporary,
        # Each array begins a disk sector of its own: the counts are then written whole or not.
        h5py.File(temporary, "w", alignment_threshold=1, alignment_interval=_SECTOR) as file,
    ):
        file.attrs[MARK] = np.int64(SCHEMA)
        file.attrs["kextract_version"] = np.bytes_(__version__)
        file.attrs["teacher"] = np.bytes_(heading.teacher.encode())
        file.attrs["answers"] = np.bytes_(heading.outputs)
        file.attrs["input_shape"] = np.array(heading.input_shape, np.int64)
        file.attrs["classes"] = np.int64(heading.classes)
        file.attrs["capacity"] = np.int64(capacity)
        _reserve(file, QUESTIONS, "u1", (capacity, *heading.input_shape), questions)
        _reserve(file, RESPONSES, dtype, (capacity, *shape), responses)
        _reserve(file, COUNTS, "<i8", (3,), (counts or Counts()).array())


def read_ledger(path: Path) -> Contents:
    """Read a ledger from anywhere; what it declares is checked before anything is allocated.

    Raises CheckpointError, one line, for what is no ledger, damaged or hostile, and for responses
    that make no sense.
    """
    with open_checked(path) as file:
        if not file.has_attribute(MARK):
            raise Refused("is not a ledger of questions")
        schema = int(file.attribute(MARK, "<i8"))
        if schema != SCHEMA:
            raise Refused(f"is a ledger of version {schema}; this program reads {SCHEMA}")
        heading, capacity = _heading(file)
        dtype, shape = response_kind(heading)
        places = Places(
            file.place(QUESTIONS, "u1", (capacity, *heading.input_shape)),
            file.place(RESPONSES, dtype, (capacity, *shape)),
            file.place(COUNTS, "<i8", (3,)),
        )
        counts = _counts(file.tensor(COUNTS, "<i8", (3,)), capacity)
    questions = _rows(path, places.questions, "u1", (counts.asked, *heading.input_shape))
    responses = _rows(path, places.responses, dtype, (counts.answered, *shape))
    try:
        checked(responses, heading.outputs, counts.answered, heading.classes)
    except NonsenseError as error:
        raise CheckpointError(f"'{path}': holds {error}") from error
    return Contents(heading, capacity, counts, places, questions, responses)


def is_ledger(path: Path) -> bool:
    """Tell whether a file is a ledger; one that cannot be read is none."""
    try:
        with open_checked(path) as file:
            return file.has_attribute(MARK)
    except CheckpointError:
        return False


def _reserve(
    file: Any, name: str, dtype: str, shape: tuple[int, ...], start: NDArray[Any] | None
) -> None:
    """Make an array that takes its room at once, and fill its first rows."""
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_layout(h5d.CONTIGUOUS)
    layout.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    # Unwritten room stays a hole in the file, which takes no disk space.
    layout.set_fill_time(h5d.FILL_TIME_NEVER)
    kind, space = h5t.py_create(np.dtype(dtype)), h5s.create_simple(shape)
    h5d.create(file.id, name.encode(), kind, space, layout)
    if start is not None and len(start):
        file[name][: len(start)] = start


def _heading(file: CheckedFile) -> tuple[Heading, int]:
    outputs = file.text_attribute("answers")
    if outputs not in OUTPUTS:
        raise Refused(f"holds responses of the unknown kind '{printable(outputs)}'")
    shape = tuple(int(side) for side in file.attribute("input_shape", "<i8", (3,)))
    classes, capacity = (int(file.attribute(name, "<i8")) for name in ("classes", "capacity"))
    if not all(0 < side <= MAX_SIDE for side in shape):
        raise Refused(f"declares images of shape {shape}")
    if not 2 <= classes <= MAX_CLASSES:
        raise Refused(f"declares {classes} classes")
    if not 0 < capacity <= MAX_CAPACITY:
        raise Refused(f"declares room for {capacity} questions")
    height, width, channels = shape
    teacher = file.text_attribute("teacher")
    return Heading(teacher, outputs, (height, width, channels), classes), capacity


def _counts(found: NDArray[np.int64], capacity: int) -> Counts:
    counts = Counts(*(int(number) for number in found))
    if not (0 <= counts.answered <= counts.asked <= capacity and counts.sent >= counts.answered):
        raise Refused(
            f"counts {counts.answered} responses to {counts.asked} questions, {counts.sent} sent,"
            f" in room for {capacity}"
        )
    return counts


def _rows(path: Path, place: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read the first rows of an array whose place and size were checked."""
    count = int(np.prod(shape, dtype=np.int64))
    try:
        found = np.fromfile(path, dtype, count, offset=place)
    except OSError as error:
        raise CheckpointError(f"'{path}': cannot be read ({error})") from error
    if len(found) != count:
        raise CheckpointError(f"'{path}': is truncated")
    return found.reshape(shape)
