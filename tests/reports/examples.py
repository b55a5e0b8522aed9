"""A study made up in closed form: a teacher and students by several methods and seeds."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from kextract.records import EpochRecord
from kextract.reports import Run
from kextract.reports.page import Entry
from kextract.storage import CheckpointInfo
from tests.storage.examples import INFO

SHA = "ab" * 32
METHODS = {"inversion": (0.98, 0.5), "shapes": (0.9, 0.3), "random": (0.11, 0.05)}
"""Final accuracy and how fast it is reached."""


def history(
    top: float, rate: float, epochs: int = 8, shift: float = 0.0
) -> tuple[EpochRecord, ...]:
    """Accuracy that rises to `top`; `shift` tells seeds apart."""
    records = [EpochRecord(0, 5.0 + shift, 0.1)]
    for epoch in range(1, epochs + 1):
        far = math.exp(-rate * epoch)
        accuracy = min(1.0, top * (1 - far) + shift * far)
        details = {"iterations": 10.0 + epoch, "questions": 100.0 * epoch}
        records.append(
            EpochRecord(
                epoch,
                0.1 + (5.0 + shift) * far,
                accuracy,
                train_loss=far,
                agreement=accuracy,
                kl=far,
                seconds=30.0,
                details=details,
            )
        )
    return tuple(records)


def info(**changes: Any) -> CheckpointInfo:
    """What the checkpoint of a student says."""
    known: dict[str, Any] = {
        "model": "lenet5",
        "pooling": "none",
        "input_shape": (28, 28, 1),
        "seed": 0,
        "config": {"method": "inversion", "recipe": "corrected", "seed": 0, "command": "kextract"},
        "history": history(0.9, 0.5),
        "test": {"accuracy": 0.9, "loss": 0.25, "agreement": 0.92},
        "kextract_version": "0.1.0",
        "tensorflow_version": "2.20.0",
        "keras_version": "3.15.1",
    }
    return replace(INFO, **{**known, **changes})


def teacher_info(**changes: Any) -> CheckpointInfo:
    """What the checkpoint of the students' teacher says."""
    known: dict[str, Any] = {
        "kind": "teacher",
        "model": "resnet11",
        "teacher": None,
        "teacher_sha256": None,
        "sha256": SHA,
        "config": {"epochs": 8, "seed": 0, "command": "kextract train-teacher"},
        "history": history(0.99, 1.0),
        "test": {"accuracy": 0.99, "loss": 0.05},
    }
    return info(**{**known, **changes})


def student_info(method: str, seed: int, **changes: Any) -> CheckpointInfo:
    """What a student by this method and seed says."""
    top, rate = METHODS[method]
    config = {"method": method, "recipe": "corrected", "seed": seed, "command": f"kextract {seed}"}
    known: dict[str, Any] = {
        "seed": seed,
        "config": config,
        "history": history(top, rate, shift=0.02 * seed),
        "test": {"accuracy": top - 0.01 * seed, "loss": 0.25, "agreement": top},
    }
    return info(**{**known, **changes})


def study(seeds: int = 3) -> list[Run]:
    """The teacher, and a student for each method and seed."""
    runs = [Run.of("strokes-resnet11", teacher_info(), 410_378)]
    for place, method in enumerate(METHODS):
        for seed in range(seeds):
            about = student_info(method, seed)
            runs.append(Run.of(f"strokes-{method}-s{seed}", about, 60_000 * (place + 1)))
    return runs


def entries(seeds: int = 3, picture: Path | None = None) -> list[Entry]:
    """The same study as entries of a page."""
    made = [Entry(Run.of("strokes-resnet11", teacher_info(), 410_378), teacher_info(), 1_768_608)]
    for method in METHODS:
        for seed in range(seeds):
            about = student_info(method, seed)
            run = Run.of(f"strokes-{method}-s{seed}", about, 61_706)
            made.append(Entry(run, about, 270_000, "[distill]\nepochs = 8\n", picture))
    return made
