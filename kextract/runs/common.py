"""What the training of teachers and of students have in common around their loops."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.datasets.dataset import Dataset
from kextract.display import Display
from kextract.records import EpochRecord, Event, Note

if TYPE_CHECKING:
    import keras

ARGUMENTS: ContextVar[list[str]] = ContextVar("arguments")
"""The words after `kextract` where one command runs another, as quickstart does."""


def follow(display: Display, events: Iterable[Event]) -> tuple[EpochRecord, ...]:
    """Show every event of a loop as it comes and return the epoch records."""
    history = []
    for event in events:
        if isinstance(event, Note):
            display.note(event.text)
            continue
        display.show(event)
        if isinstance(event, EpochRecord):
            history.append(event)
    return tuple(history)


def command_line() -> str:
    """Return the command that is running, as one would type it."""
    return shlex.join(["kextract", *ARGUMENTS.get(sys.argv[1:])])


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
