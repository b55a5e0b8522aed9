"""The ledger: every question to a teacher, and every response, on disk before it is used.

It is an SQLite database with a row for each question, in write-ahead logging: a commit is on the
disk as a whole or not at all, whenever the process is killed, and others may read meanwhile. A
ledger that was closed is one file. Of an image it has what the image is made from, and a digest.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from kextract.config.training import QUESTIONS
from kextract.datasets.images import Pixels
from kextract.errors import CheckpointError, RequestError, StorageError
from kextract.models.axes import Shape
from kextract.storage.atomic import reason
from kextract.storage.run_lock import run_lock
from kextract.teachers.black_box import OUTPUTS, predictions
from kextract.teachers.checking import InvalidOutputError, checked
from kextract.teachers.questions import DIGEST_BYTES, MOST_NUMBERS, Questions, Recipes, Source
from kextract.text import counted, printable

SCHEMA = 2
MAX_CLASSES = 100_000
MAX_SIDE = 4096
MAX_QUESTIONS = 100_000_000

_MAGIC = b"SQLite format 3\0"
_APPLICATION = 0x6B786C67
"""What identifies a ledger among databases: SQLite's `application_id`."""
_APPLICATION_PLACE = 68
_TABLES = {
    "ledger": "CREATE TABLE ledger (version INTEGER, teacher TEXT, outputs TEXT, height INTEGER,"
    " width INTEGER, channels INTEGER, classes INTEGER, sent INTEGER, kind TEXT, seed INTEGER,"
    " images TEXT, numbers INTEGER)",
    "questions": "CREATE TABLE questions (place INTEGER PRIMARY KEY, recipe BLOB, digest BLOB,"
    " response BLOB)",
}
_ROW_BYTES = 24
"""What SQLite adds to a row of questions, about."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What all questions and responses of a ledger have in common."""

    teacher: str
    """`BlackBox.name`."""
    outputs: str
    """One of `kextract.teachers.OUTPUTS`."""
    input_shape: Shape
    classes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is in a ledger."""

    sent: int = 0
    """Images that were sent to the teacher, those that were sent again included."""
    asked: int = 0
    """Questions that are written down."""
    answered: int = 0
    """Questions whose responses are written down: the first of them."""


class Ledger:
    """Questions and responses in one file; a killed process loses nothing that was written.

    `begin` says what makes images from recipes. For one batch of questions the order then is `ask`
    (the recipes), `send` (they are about to go out), `answer` (what came back). Each call ends when
    its data are on the disk.

    `sent` never says less than what the teacher received. It says more only where a process was
    killed between the end of `send` and the arrival of the images: by that one batch, which the
    next run sends again.

    A context manager; only one process at a time may write to a ledger.
    """

    def __init__(self, path: Path, *, room: int = 0, read_only: bool = False) -> None:
        """Open a ledger; what it declares is checked before anything is allocated.

        `room` is for how many questions memory is set aside. Raises CheckpointError, one line, for
        what is not a ledger, or damaged, and RequestError while another run writes to it.
        """
        self.path = path
        self.heading: Heading
        """What all its questions and responses have in common."""
        self.counts: Counts
        """How many were sent, asked and answered."""
        self.source: Source
        """What its questions are made by."""
        self.questions: Questions
        """The images of all questions, by place; those without a response come last."""
        self._responses: NDArray[Any]
        with ExitStack() as stack:
            if not read_only:
                stack.enter_context(run_lock(path, "--ledger"))
            _check_is_ledger(path)
            self._database = _connected(path, read_only=read_only)
            stack.callback(self._database.close)
            with _damage_is_told(path):
                self._read(room)
                if not read_only:
                    self._database.execute("PRAGMA journal_mode = WAL")
                    self._database.execute("PRAGMA synchronous = FULL")
            self._opened = stack.pop_all()
        self._read_only = read_only

    @property
    def recipes(self) -> Recipes:
        """What all questions are made from, uint32 (asked, numbers)."""
        return self.questions.recipes[: self.counts.asked]

    @property
    def digests(self) -> NDArray[np.void]:
        """What tells the images of all questions from others, (asked,): see `digests_of`."""
        return self.questions.digests[: self.counts.asked]

    @property
    def responses(self) -> NDArray[Any]:
        """The responses to the first questions: float32 (answered, k) or int32 (answered,)."""
        return self._responses[: self.counts.answered]

    def begin(self, source: Source, make: Callable[[Recipes], Pixels]) -> None:
        """Say what questions are made by; it must be what those that are there were made by."""
        if source != self.source:
            assert not self.counts.asked, "a source that does not fit was refused before"
            columns = ", ".join(f"{field.name} = ?" for field in fields(Source))
            self._write(f"UPDATE ledger SET {columns}", [astuple(source)])
            self.source = source
            room = len(self._responses)
            shape = self.heading.input_shape
            self.questions = Questions(self.path, shape, source.numbers, room)
        self.questions.made_by(make)

    def ask(self, recipes: Recipes) -> None:
        """Write new questions (n, numbers) down; there must be room for them."""
        start = self.counts.asked
        found = self.questions.add(recipes, start)
        rows = [
            (start + index, recipe.astype("<u4").tobytes(), digest.tobytes())
            for index, (recipe, digest) in enumerate(zip(recipes, found, strict=True))
        ]
        self._write("INSERT INTO questions (place, recipe, digest) VALUES (?, ?, ?)", rows)
        self.counts = replace(self.counts, asked=start + len(recipes))

    def send(self, count: int) -> None:
        """Note that so many images are about to be sent."""
        self._write("UPDATE ledger SET sent = sent + ?", [(count,)])
        self.counts = replace(self.counts, sent=self.counts.sent + count)

    def answer(self, responses: NDArray[Any]) -> None:
        """Write the responses to the first unanswered questions down."""
        start = self.counts.answered
        dtype, _ = response_kind(self.heading)
        rows = [
            (np.asarray(response, dtype).tobytes(), start + index)
            for index, response in enumerate(responses)
        ]
        self._write("UPDATE questions SET response = ? WHERE place = ?", rows)
        self._responses[start : start + len(responses)] = responses
        self.counts = replace(self.counts, answered=start + len(responses))

    def expect(self, outputs: str) -> None:
        """Take responses of another kind from now on; there must be none yet."""
        self._write("UPDATE ledger SET outputs = ?", [(outputs,)])
        self.heading = replace(self.heading, outputs=outputs)
        dtype, shape = response_kind(self.heading)
        self._responses = np.empty((len(self._responses), *shape), dtype)

    def summary(self) -> dict[str, Any]:
        """Describe a ledger: counts, class shares and hash, by name."""
        shares = np.bincount(predictions(self.responses), minlength=self.heading.classes)
        return {
            "teacher": self.heading.teacher,
            "outputs": self.heading.outputs,
            "questions": self.source.kind or None,
            "input_shape": list(self.heading.input_shape),
            "classes": self.heading.classes,
            "sent": self.counts.sent,
            "asked": self.counts.asked,
            "answered": self.counts.answered,
            "class_shares": (shares / max(1, self.counts.answered)).tolist(),
            "sha256": self.sha256(),
        }

    def sha256(self) -> str:
        """Hash the digests of all answered questions, and the responses: 64 hexadecimal digits."""
        digest = hashlib.sha256(f"{self.heading.outputs}\0".encode())
        digest.update(self.digests[: self.counts.answered].tobytes())
        digest.update(np.ascontiguousarray(self.responses).data)
        return digest.hexdigest()

    def close(self) -> None:
        """Leave one file, and let others write to it."""
        try:
            if not self._read_only:
                self._database.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error:
            # All of it is on the disk; what is beside the file is read with it.
            pass
        finally:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Execute a statement for every row, all of them in one commit."""
        try:
            with self._database:
                self._database.executemany(statement, rows)
        except sqlite3.Error as error:
            raise StorageError(f"cannot write '{self.path}': {error}") from error

    def _read(self, room: int) -> None:
        database = self._database
        tables = dict(database.execute("SELECT name, sql FROM sqlite_master"))
        if tables != _TABLES:
            raise CheckpointError(f"'{self.path}': has other tables than a ledger")
        if (problem := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise CheckpointError(f"'{self.path}': is damaged ({printable(problem)})")
        declared = database.execute("SELECT * FROM ledger LIMIT 2").fetchall()
        self.heading, sent, self.source = _heading(self.path, declared)
        dtype, shape = response_kind(self.heading)
        asked, last, answered, last_answered, wrong = database.execute(
            "SELECT count(*), max(place), count(response),"
            " max(CASE WHEN response IS NOT NULL THEN place END),"
            " sum(typeof(recipe) != 'blob' OR length(recipe) != ? OR typeof(digest) != 'blob'"
            " OR length(digest) != ?"
            " OR (response IS NOT NULL AND (typeof(response) != 'blob' OR length(response) != ?)))"
            " FROM questions",
            (4 * self.source.numbers, DIGEST_BYTES, response_bytes(self.heading)),
        ).fetchone()
        if wrong:
            raise CheckpointError(
                f"'{self.path}': {wrong} of its rows are not of the size declared"
            )
        first = (last, last_answered) == tuple(n - 1 if n else None for n in (asked, answered))
        if not first or answered > sent or asked > MAX_QUESTIONS:
            raise CheckpointError(
                f"'{self.path}': counts {answered} responses to {asked} questions, {sent} sent, and"
                " they are not the first"
            )
        self.counts = Counts(sent, asked, answered)
        room, numbers = max(room, asked), self.source.numbers
        self.questions = Questions(self.path, self.heading.input_shape, numbers, room)
        # Memory for what is not there yet is taken when it comes.
        self._responses = np.empty((room, *shape), dtype)
        rows = database.execute("SELECT recipe, digest, response FROM questions ORDER BY place")
        for place, (recipe, digest, response) in enumerate(rows):
            self.questions.recipes[place] = np.frombuffer(recipe, "<u4")
            self.questions.digests[place] = np.void(digest)
            if response is not None:
                self._responses[place] = np.frombuffer(response, dtype).reshape(shape)
        try:
            checked(self.responses, self.heading.outputs, answered, self.heading.classes)
        except InvalidOutputError as error:
            raise CheckpointError(f"'{self.path}': holds {error}") from error


def response_kind(heading: Heading) -> tuple[str, tuple[int, ...]]:
    """Return dtype and shape of the response to one question."""
    return ("<i4", ()) if heading.outputs == "labels" else ("<f4", (heading.classes,))


def response_bytes(heading: Heading) -> int:
    """Return the bytes of the response to one question."""
    dtype, shape = response_kind(heading)
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def bytes_of(heading: Heading, source: Source, questions: int) -> int:
    """Return about how large a ledger of so many questions is, bytes."""
    row = 4 * source.numbers + DIGEST_BYTES + response_bytes(heading) + _ROW_BYTES
    return questions * row


def kept_in(path: Path, counts: Counts) -> str:
    """Say in one line what a ledger keeps."""
    answered = counted(counts.answered, "response")
    return f"{answered} to {counts.sent} sent images are kept in '{path}'"


def open_ledger(path: Path, heading: Heading, budget: int) -> Ledger:
    """Open the ledger at `path`, or make one, for a run that sends up to `budget` images in all.

    It is opened read-only, and may lie where nothing can be written, if the budget is spent
    already. Raises RequestError for responses of another teacher or kind and for a ledger in use,
    CheckpointError for what is not a ledger, StorageError where it cannot be written.
    """
    if os.path.lexists(path):
        found = Ledger(path, read_only=True)
        try:
            _check_same(found, heading)
            if found.counts.sent >= budget:
                return found
        except BaseException:
            found.close()
            raise
        found.close()
        _check_writable(path, budget)
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write '{path}': {reason(error)}") from error
        with run_lock(path, "--ledger"):
            _create(path, heading)
    ledger = Ledger(path, room=budget)
    if ledger.heading.outputs != heading.outputs:
        ledger.expect(heading.outputs)
    return ledger


def is_ledger(path: Path) -> bool:
    """Tell whether a file is a ledger, by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(_APPLICATION_PLACE + 4)
    except OSError:
        return False
    return start.startswith(_MAGIC) and start[_APPLICATION_PLACE:] == _APPLICATION.to_bytes(4)


def _create(path: Path, heading: Heading) -> None:
    """Make an empty ledger; it appears in one step."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        with sqlite3.connect(temporary) as database:
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            for statement in _TABLES.values():
                database.execute(statement)
            shape = heading.input_shape
            row = (SCHEMA, heading.teacher, heading.outputs, *shape, heading.classes, 0)
            row += astuple(Source())
            database.execute(f"INSERT INTO ledger VALUES ({', '.join('?' * len(row))})", row)
        database.close()
        temporary.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"cannot write '{path}': {error}") from error


def _check_is_ledger(path: Path) -> None:
    if not path.is_file():
        problem = "is not a regular file" if os.path.lexists(path) else "no such file"
        raise CheckpointError(f"'{path}': {problem}")
    if not is_ledger(path):
        raise CheckpointError(f"'{path}': is not a ledger of questions")


def _connected(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Connect to a database of anybody's: nothing in its schema is executed."""
    # A file without a log beside it was closed, and may lie where nothing can be written.
    closed = not path.with_name(f"{path.name}-wal").exists()
    mode = f"?mode={'ro' if read_only else 'rw'}{'&immutable=1' if read_only and closed else ''}"
    try:
        database = sqlite3.connect(f"file:{quote(str(path.absolute()))}{mode}", uri=True)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * MAX_SIDE * MAX_SIDE)
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
    except sqlite3.Error as error:
        raise CheckpointError(f"'{path}': cannot be read ({error})") from error
    return database


@contextmanager
def _damage_is_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise CheckpointError(f"'{path}': is damaged ({printable(str(error))})") from error


def _heading(path: Path, rows: list[tuple[Any, ...]]) -> tuple[Heading, int, Source]:
    """Check what a ledger declares; return it, and how many images were sent."""
    kinds = (int, str, str, int, int, int, int, int, str, int, str, int)
    if len(rows) != 1 or not all(map(isinstance, rows[0], kinds)):
        raise CheckpointError(f"'{path}': does not declare what it holds")
    version, teacher, outputs, *shape, classes, sent, kind, seed, images, numbers = rows[0]
    if version != SCHEMA:
        raise CheckpointError(
            f"'{path}': is a ledger of version {version}; this program reads {SCHEMA}"
        )
    if outputs not in OUTPUTS:
        raise CheckpointError(
            f"'{path}': holds responses of the unknown kind '{printable(outputs)}'"
        )
    if not all(0 < side <= MAX_SIDE for side in shape):
        raise CheckpointError(f"'{path}': declares images of shape {tuple(shape)}")
    if not 2 <= classes <= MAX_CLASSES:
        raise CheckpointError(f"'{path}': declares {classes} classes")
    if sent < 0:
        raise CheckpointError(f"'{path}': counts {sent} sent")
    if kind not in ("", *QUESTIONS) or seed < 0 or not 0 <= numbers <= MOST_NUMBERS:
        raise CheckpointError(
            f"'{path}': declares questions that are '{printable(kind)}', of {numbers} numbers each"
        )
    height, width, channels = shape
    heading = Heading(teacher, outputs, (height, width, channels), classes)
    return heading, sent, Source(kind, seed, images, numbers)


def _check_same(found: Ledger, wanted: Heading) -> None:
    """Refuse responses of another teacher, and those of another kind; an empty ledger has none."""
    kept = found.heading
    if not found.counts.answered:
        kept = replace(kept, outputs=wanted.outputs)
    for field in fields(Heading):
        one, other = getattr(kept, field.name), getattr(wanted, field.name)
        if one != other:
            raise RequestError(
                f"--ledger: '{found.path}' was made with the {field.name} '{one}',"
                f" not '{other}': name another file"
            )


def _check_writable(path: Path, budget: int) -> None:
    if not os.access(path, os.W_OK):
        raise RequestError(
            f"--ledger: '{path}' cannot be written to, and --query-budget {budget} allows more"
            " questions: copy it, or pass a smaller --query-budget"
        )
