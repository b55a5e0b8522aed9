"""What a checkpoint says about its model: everything but the tensors."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kextract.models.heads import MAX_CLASSES
from kextract.records import EpochRecord

PREPROCESSING = "[-1, 1]: (x - 127.5) / 127.5"
KINDS = ("teacher", "student")
POOLINGS = ("global", "article", "none")
PRECISIONS = ("float32", "bfloat16")
OWN_ARCHITECTURE = "keras"
"""Stands for the name of a model whose architecture is in its file and not in the registry."""
NO_DATASET = "unknown"
"""Stands for the name of a data set that a file does not name."""
MAX_EPOCHS = 100_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**63 - 1
_BOUNDS = {
    "loss": (0.0, math.inf),
    # A share is a mean of ones in float32 and may miss 1 by a rounding.
    "accuracy": (0.0, 1 + 1e-6),
    "train_loss": (0.0, math.inf),
    "agreement": (0.0, 1 + 1e-6),
    # A divergence of nothing, summed up in float32, comes out a little below zero.
    "kl": (-1e-3, math.inf),
    "seconds": (0.0, math.inf),
}


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Where a model comes from and how good it was."""

    kind: str
    """"teacher" or "student"."""
    model: str
    """Name in the registry of models, such as "resnet11"."""
    pooling: str
    """"global", "article" or "none"."""
    input_shape: tuple[int, int, int]
    """Height, width and channels of one image."""
    classes: int
    dataset: str
    """Name of the data set."""
    class_names: tuple[str, ...]
    """One per class, or none at all."""
    preprocessing: str = PREPROCESSING
    """What was done to pixels of 0 to 255 before the model saw them."""
    flip: bool
    """Mirroring an image keeps its class."""
    seed: int
    precision: str
    """"float32" or "bfloat16": what was computed in; weights are float32 in both."""
    config: Mapping[str, Any]
    """The whole configuration of the command, as JSON can hold it."""
    history: tuple[EpochRecord, ...] = ()
    teacher_sha256: str | None = None
    """In a student: the hash over its teacher's tensors."""
    teacher: str | None = None
    """In a student: the file name of its teacher."""
    test: Mapping[str, float] = field(default_factory=dict)
    """Final metrics on the test set by name; empty where it was not measured."""
    architecture: Mapping[str, Any] | None = None
    """Keras's description of a model that is not in the registry; filled in by writing."""

    schema: int = 0
    """Version of the format; this and all below is filled in by writing or reading."""
    kextract_version: str = ""
    keras_version: str = ""
    tensorflow_version: str = ""
    sha256: str = ""
    """Over the tensors, see `sha256_of_tensors`."""
    created: str = ""
    """ISO 8601, UTC."""


def check_info(info: CheckpointInfo) -> None:
    """Raise ValueError, naming the field, for anything that a checkpoint may not say."""
    _check_choice("kind", info.kind, KINDS)
    _check_choice("pooling", info.pooling, POOLINGS)
    _check_choice("precision", info.precision, PRECISIONS)
    for name in ("model", "dataset", "preprocessing", "kextract_version"):
        _check(name, bool(getattr(info, name)), "is empty")
    _check("input_shape", len(info.input_shape) == 3, "is not (height, width, channels)")
    for size in info.input_shape:
        _check_whole("input_shape", size, 1, 1 << 20)
    _check_whole("classes", info.classes, 1, MAX_CLASSES)
    named = all(isinstance(name, str) for name in info.class_names)
    _check("class_names", named, "holds something that is not text")
    _check("class_names", len(info.class_names) in (0, info.classes), "is not one name per class")
    _check_whole("seed", info.seed, 0, _LARGEST)
    for name in ("sha256", "teacher_sha256"):
        digest = getattr(info, name)
        good = digest is None or _DIGEST.fullmatch(digest) is not None
        _check(name, good, "is not 64 hexadecimal digits")
    _check("created", _is_utc(info.created), "is not an ISO date and time in UTC")
    _check_metrics("test", info.test)
    _check_history(info.history)


def _check(name: str, good: bool, problem: str) -> None:
    if not good:
        raise ValueError(f"'{name}' {problem}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    _check(name, value in choices, f"is none of {', '.join(choices)}")


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    _check(name, good, f"is not a whole number from {least} to {most}")


def _is_utc(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _check_metrics(name: str, metrics: object) -> None:
    if not isinstance(metrics, Mapping):
        raise ValueError(f"'{name}' is not a mapping of names to numbers")
    for key, value in metrics.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good = isinstance(key, str) and number and math.isfinite(value)
        _check(name, good, "holds something else than finite numbers by name")


def _check_history(history: tuple[EpochRecord, ...]) -> None:
    _check("history", len(history) <= MAX_EPOCHS, f"has more than {MAX_EPOCHS} rows")
    previous = -1
    for row in history:
        _check_whole("history/epoch", row.epoch, previous + 1, _LARGEST)
        previous = row.epoch
        for name, (least, most) in _BOUNDS.items():
            value = getattr(row, name)
            if value is not None or name == "seconds":
                _check_number(f"history/{name}", value, least, most)
        _check_metrics("history/details", row.details)


def _check_number(name: str, value: float, least: float, most: float) -> None:
    _check(name, math.isfinite(value) and least <= value <= most, f"holds {value!r}")
