"""The ledger: every question to a teacher, and every answer, on disk before it is used."""

import hashlib
import os
from contextlib import ExitStack
from dataclasses import fields, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError, StorageError
from kextract.storage.atomic import reason
from kextract.storage.run_lock import run_lock
from kextract.teachers.kinds import predictions
from kextract.teachers.ledger_file import (
    Contents,
    Counts,
    Heading,
    read_ledger,
    response_kind,
    write_ledger,
)


class Ledger:
    """Questions and responses in one file; a killed process loses nothing that was written.

    For one batch of questions the order is `ask` (the images), `send` (they are about to go out),
    `answer` (what came back). Each call ends when its data are on the disk.

    `sent` never says less than what the teacher received. It says more only where a process was
    killed between the end of `send` and the arrival of the images: by that one batch, which the
    next run sends again.

    A context manager; only one process at a time may write to a ledger.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open a ledger. Raises CheckpointError for what is none, RequestError while in use."""
        self.path = path
        self._file: FileIO | None = None
        self._read_only = read_only
        with ExitStack() as stack:
            if not read_only:
                stack.enter_context(run_lock(path, "--ledger"))
            self._load(read_ledger(path))
            self._lock = stack.pop_all()

    @property
    def heading(self) -> Heading:
        """What all its questions and responses have in common."""
        return self._heading

    @property
    def capacity(self) -> int:
        """How many questions there is room for."""
        return self._capacity

    @property
    def counts(self) -> Counts:
        """How many were sent, asked and answered."""
        return self._counts

    @property
    def questions(self) -> NDArray[np.uint8]:
        """All questions, uint8 (asked, h, w, c); those without an answer come last."""
        return self._questions[: self._counts.asked]

    @property
    def responses(self) -> NDArray[Any]:
        """The responses to the first questions: float32 (answered, k) or int32 (answered,)."""
        return self._responses[: self._counts.answered]

    def ask(self, images: NDArray[np.uint8]) -> None:
        """Write new questions (n, h, w, c) down; there must be room for them."""
        start = self._counts.asked
        self._questions[start : start + len(images)] = images
        size = int(np.prod(self._heading.input_shape))
        self._write(self._places.questions + start * size, self._questions[start:][: len(images)])
        self._count(replace(self._counts, asked=start + len(images)))

    def send(self, count: int) -> None:
        """Note that so many images are about to be sent."""
        self._count(replace(self._counts, sent=self._counts.sent + count))

    def answer(self, responses: NDArray[Any]) -> None:
        """Write the responses to the first unanswered questions down."""
        start = self._counts.answered
        self._responses[start : start + len(responses)] = responses
        dtype, shape = response_kind(self._heading)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._write(
            self._places.responses + start * size, self._responses[start:][: len(responses)]
        )
        self._count(replace(self._counts, answered=start + len(responses)))

    def prepare(self, heading: Heading, capacity: int) -> None:
        """Make room for so many questions, and for another kind of responses while there are none.

        The file is replaced by another one that holds the same, if it needs to be.
        """
        if heading == self._heading and capacity <= self._capacity:
            return
        write_ledger(
            self.path,
            heading,
            max(capacity, self._capacity),
            counts=self._counts,
            questions=self.questions,
            responses=self.responses if self._counts.answered else None,
            overwrite=True,
        )
        if self._file is not None:
            self._file.close()
        self._load(read_ledger(self.path))

    def summary(self) -> dict[str, Any]:
        """Give what there is to say of a ledger: counts, class shares and hash."""
        shares = np.bincount(predictions(self.responses), minlength=self._heading.classes)
        return {
            "teacher": self._heading.teacher,
            "outputs": self._heading.outputs,
            "input_shape": list(self._heading.input_shape),
            "classes": self._heading.classes,
            "sent": self._counts.sent,
            "asked": self._counts.asked,
            "answered": self._counts.answered,
            "class_shares": (shares / max(1, self._counts.answered)).tolist(),
            "sha256": self.sha256(),
        }

    def sha256(self) -> str:
        """Hash all answered questions and their responses, in order: 64 hexadecimal digits."""
        digest = hashlib.sha256(f"{self._heading.outputs}\0".encode())
        digest.update(np.ascontiguousarray(self._questions[: self._counts.answered]).data)
        digest.update(np.ascontiguousarray(self.responses).data)
        return digest.hexdigest()

    def close(self) -> None:
        """Let others write to the ledger."""
        if self._file is not None:
            self._file.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self, contents: Contents) -> None:
        self._heading, self._capacity = contents.heading, contents.capacity
        self._counts, self._places = contents.counts, contents.places
        dtype, shape = response_kind(self._heading)
        # Memory for what is not there yet is taken when it comes.
        room = self._counts.asked if self._read_only else self._capacity
        self._questions = np.empty((room, *self._heading.input_shape), np.uint8)
        self._questions[: self._counts.asked] = contents.questions
        self._responses = np.empty((room, *shape), dtype)
        self._responses[: self._counts.answered] = contents.responses
        self._file = None if self._read_only else FileIO(self.path, "r+")

    def _count(self, counts: Counts) -> None:
        self._write(self._places.counts, counts.array())
        self._counts = counts

    def _write(self, place: int, values: NDArray[Any]) -> None:
        """Put bytes at a place of the file and wait until they are on the disk."""
        assert self._file is not None, "a ledger that is read only is not written to"
        rest = np.ascontiguousarray(values).data.cast("B")
        try:
            self._file.seek(place)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StorageError(f"cannot write '{self.path}': {reason(error)}") from error


def open_ledger(path: Path, heading: Heading, budget: int) -> Ledger:
    """Open the ledger at `path`, or make one, for a run that sends up to `budget` images in all.

    It is opened read-only, and may lie where nothing can be written, if the budget is spent
    already. Raises RequestError for responses of another teacher or kind and for a ledger in use,
    CheckpointError for what is no ledger, StorageError where it cannot be written.
    """
    if os.path.lexists(path):
        with Ledger(path, read_only=True) as found:
            _check_same(found, heading)
            spent = found.counts.sent >= budget
        if spent:
            return Ledger(path, read_only=True)
        _check_writable(path, budget)
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write '{path}': {reason(error)}") from error
        write_ledger(path, heading, budget)
    ledger = Ledger(path)
    try:
        ledger.prepare(heading, budget)
    except BaseException:
        ledger.close()
        raise
    return ledger


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
