"""What the training of teachers and of students have in common around their loops."""

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.datasets.dataset import Dataset
from kextract.display import Display
from kextract.records import EpochRecord, Event, Note, Snapshot

if TYPE_CHECKING:
    import keras

RESUME = "--resume"
ARGUMENTS: ContextVar[list[str]] = ContextVar("arguments")
"""The words after `kextract` where one command runs another, as quickstart does."""


def follow(
    display: Display,
    events: Iterable[Event],
    *,
    keep: Callable[[Snapshot], None] | None = None,
    resume: Snapshot | None = None,
) -> tuple[EpochRecord, ...]:
    """Show every event of a loop as it comes and return the epoch records.

    Snapshots are kept and not shown. The records of a run that is gone on with come first.
    """
    history = list(resume.history) if resume else []
    for record in history:
        display.show(record)
    for event in events:
        if isinstance(event, Snapshot):
            if keep is not None:
                keep(event)
            continue
        if isinstance(event, Note):
            display.note(event.text)
            continue
        display.show(event)
        if isinstance(event, EpochRecord):
            history.append(event)
    return tuple(history)


def command_line() -> str:
    """Return the command that makes the running run, as one would type it: without `--resume`."""
    words = ARGUMENTS.get(sys.argv[1:])
    return shlex.join(["kextract", *(word for word in words if word != RESUME)])


def command_to_go_on() -> str:
    """Return the command that goes on with the running run once it was stopped."""
    return f"{command_line()} {RESUME}"


def final_scores(
    model: "keras.Model", data: Dataset | None, teacher: "keras.Model | None" = None
) -> dict[str, float]:
    """Measure a finished model on the test images, which nothing else has seen; nothing without."""
    from kextract.training.evaluation import Predictor, score

    if data is None or data.x_test is None or data.y_test is None:
        return {}
    predictor = Predictor(model)
    scores = score(
        predictor.logits(data.x_test),
        data.y_test,
        penalty=predictor.penalty(),
        teacher=Predictor(teacher).logits(data.x_test) if teacher is not None else None,
    )
    return {name: value for name, value in asdict(scores).items() if value is not None}


def outcome(path: Path, test: Mapping[str, float]) -> dict[str, str | float | int]:
    """Say where a finished model is and how good it is on the test images."""
    shown = ("loss", "accuracy", "agreement")
    return {
        "checkpoint": str(path),
        **{f"test_{name}": test[name] for name in shown if name in test},
    }
