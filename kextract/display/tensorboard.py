"""The metrics and pictures of every epoch for TensorBoard, by TensorFlow's own writer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kextract import runtime
from kextract.display.base import Display, Outcome, RunHeader
from kextract.errors import RequestError, StorageError
from kextract.records import EpochRecord, Picture

SUFFIX = ".kextract"
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
            self._writer = tf.summary.create_file_writer(str(self._folder), filename_suffix=SUFFIX)
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
    return sorted(folder.glob(f"events.out.tfevents.*{SUFFIX}"))


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
