"""What keeps the epochs of a run in files: metrics as CSV or JSON lines, and TensorBoard's."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kextract import runtime
from kextract.display.base import Display, Outcome, RunHeader
from kextract.errors import RequestError, StorageError
from kextract.records import EpochRecord, Picture
from kextract.storage.atomic import atomic_write, reason
from kextract.text import decoded, json_text, json_value

SUFFIXES = (".csv", ".jsonl")
MOST_BYTES = 64 << 20
_METRICS = ("loss", "accuracy", "train_loss", "agreement", "kl")
_FIRST = ("epoch", *_METRICS, "seconds")
Row = dict[str, float | None]

EVENTS = ".kextract"
"""How the names of our event files end."""
TAGS = {
    "loss": "validation/loss",
    "accuracy": "validation/accuracy",
    "agreement": "validation/agreement",
    "kl": "validation/kl",
    "train_loss": "training/loss",
    "seconds": "time/seconds",
}
IMAGES = "images"


def check_ending(path: Path) -> None:
    """Raise RequestError for a name of another kind of file."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"--metrics: '{path}' must end in .csv or .jsonl")


class MetricsFile(Display):
    """Keeps a file with a row for each epoch; after each epoch it is replaced as a whole.

    `.csv` has a column for each metric and detail, empty where an epoch has none; `.jsonl` an
    object a line. A resumed run continues the file: its earlier epochs are shown again, and have
    to be those that are there. Raises RequestError for another ending, and for a file that is
    there already without `overwrite` or `resume`, unless it is what a run left that was stopped
    before its first epoch ended, of which nothing else is kept; StorageError where it cannot be
    written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False, resume: bool = False) -> None:
        super().__init__()
        check_ending(path)
        if os.path.lexists(path) and not (overwrite or resume or _ended_before_epoch_1(path)):
            raise RequestError(
                f"--metrics: '{path}' exists already; pass --overwrite, name another file, or"
                " remove this one"
            )
        self._path = path
        self._earlier = _read(path) if resume and path.exists() else {}
        self._rows: dict[int, Row] = {}

    def start(self, header: RunHeader) -> None:
        """Make the folder; the file comes with the first epoch."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(
                f"--metrics: cannot write to '{self._path.parent}': {reason(error)}"
            ) from error

    def epoch(self, record: EpochRecord) -> None:
        """Add the epoch, or take its place where it is there already."""
        row = _row(record)
        self._check(record.epoch, row)
        self._rows[record.epoch] = row
        # Writing it now would make the file shorter until all earlier epochs were shown again.
        if record.epoch not in self._earlier:
            self._write()

    def note(self, text: str) -> None:
        """Leave notes out."""

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the file once more, in case that all epochs were there already."""
        self._write()

    def _check(self, epoch: int, row: Row) -> None:
        before = self._earlier.get(epoch)
        if before is not None and any(before.get(name) != row.get(name) for name in _METRICS):
            raise RequestError(
                f"--metrics: '{self._path}' has an epoch {epoch} of another run; name another file,"
                " or remove this one"
            )

    def _write(self) -> None:
        rows = [self._rows[epoch] for epoch in sorted(self._rows)]
        text = _csv(rows) if self._path.suffix.lower() == ".csv" else _json_lines(rows)
        with atomic_write(self._path, overwrite=True) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _row(record: EpochRecord) -> Row:
    """Flatten a record; a detail never hides a metric of the same name."""
    fields: dict[str, Any] = record.to_dict()
    details = fields.pop("details")
    row: Row = json_value({**details, **fields})
    return row


def _columns(rows: Sequence[Row]) -> list[str]:
    others = {name for row in rows for name in row} - set(_FIRST)
    return [*_FIRST, *sorted(others)]


def _csv(rows: Sequence[Row]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _json_lines(rows: Sequence[Row]) -> str:
    ordered = ({name: row[name] for name in _columns([row])} for row in rows)
    return "".join(f"{json_text(row)}\n" for row in ordered)


def _ended_before_epoch_1(path: Path) -> bool:
    try:
        return _read(path).keys() == {0}
    except RequestError:
        return False


def _read(path: Path) -> dict[int, Row]:
    """Read the epochs of a file that a run is to continue."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
        text = decoded(path.read_bytes())
        rows = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json_lines(text)
        return {int(row["epoch"] or 0): row for row in rows}
    except (OSError, ValueError, LookupError, TypeError, csv.Error, RecursionError) as error:
        raise RequestError(
            f"--metrics: '{path}' does not hold the metrics of a run ({error}); name another file,"
            " or remove this one"
        ) from error


def _from_csv(text: str) -> list[Row]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(rows.fieldnames or ())[: len(_FIRST)] != _FIRST:
        raise ValueError(f"its columns do not begin with {', '.join(_FIRST)}")
    return [{name: float(value) if value else None for name, value in row.items()} for row in rows]


def _from_json_lines(text: str) -> list[Row]:
    rows = [json.loads(line) for line in text.splitlines()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line is not a JSON object")
    return rows


class TensorBoard(Display):
    """Writes scalars by epoch and image grids into a folder that TensorBoard reads.

    A resumed run adds to what is there and writes no epoch twice. Raises RequestError for a folder
    with the epochs of another run, unless to `overwrite` or to `resume`; StorageError where it
    cannot be written. A run that was stopped before its first epoch ended left nothing to keep.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False, resume: bool = False) -> None:
        super().__init__()
        if folder.exists() and not folder.is_dir():
            raise RequestError(f"--tensorboard: '{folder}' is not a folder")
        if not (overwrite or resume) and _event_files(folder) and _last_epoch(folder) > 0:
            raise RequestError(
                f"--tensorboard: '{folder}' has the events of another run; pass --overwrite, name"
                " another folder, or remove this one"
            )
        self._folder = folder
        self._resume = resume
        self._last = -1
        self._writer: Any = None

    def start(self, header: RunHeader) -> None:
        """Open the folder and write which command it is that runs."""
        import tensorflow as tf

        if self._resume:
            self._last = _last_epoch(self._folder)
        else:
            for path in _event_files(self._folder):
                path.unlink(missing_ok=True)
        try:
            self._writer = tf.summary.create_file_writer(str(self._folder), filename_suffix=EVENTS)
            with self._writer.as_default():
                if self._last < 0:
                    tf.summary.text("command", f"    {header.command}", step=0)
            self._writer.flush()
        except (OSError, tf.errors.OpError) as error:
            raise self._failed(error) from error

    def epoch(self, record: EpochRecord) -> None:
        """Write the epoch's metrics and details, unless they are there already."""
        if record.epoch <= self._last:
            return
        values = {tag: getattr(record, name) for name, tag in TAGS.items()}
        values |= {f"details/{name}": value for name, value in record.details.items()}
        self._write(record.epoch, values, None)

    def picture(self, picture: Picture) -> None:
        """Write an image grid, unless the epoch is there already."""
        if picture.epoch > self._last:
            self._write(picture.epoch, {}, picture)

    def note(self, text: str) -> None:
        """Leave notes out."""

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the metrics on the test images at the last epoch."""
        if history:
            tests = {f"test/{name}": v for name, v in outcome.items() if isinstance(v, float)}
            self._write(history[-1].epoch, tests, None)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(
        self, step: int, values: Mapping[str, float | None], picture: Picture | None
    ) -> None:
        import tensorflow as tf

        try:
            with self._writer.as_default():
                for tag, value in values.items():
                    if value is not None:
                        tf.summary.scalar(tag, value, step=step)
                if picture is not None:
                    tf.summary.image(IMAGES, picture.grid[None], step=step)
            self._writer.flush()
        except (OSError, tf.errors.OpError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StorageError:
        why = " ".join(str(error).split())
        return StorageError(f"--tensorboard: cannot write to '{self._folder}': {why}")


def _event_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"events.out.tfevents.*{EVENTS}"))


def _last_epoch(folder: Path) -> int:
    """Return the last epoch whose metrics are in the folder, -1 where there is none.

    The last event of a killed run may be cut off; what is before it counts.
    """
    runtime.start()
    import tensorflow as tf

    last = -1
    for path in _event_files(folder):
        try:
            for record in tf.data.TFRecordDataset([str(path)]).as_numpy_iterator():
                event = tf.compat.v1.Event.FromString(record)
                if any(value.tag == TAGS["seconds"] for value in event.summary.value):
                    last = max(last, event.step)
        except tf.errors.DataLossError:
            continue
    return last
