"""What tests of several rooms say in the same words."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
import numpy as np
from numpy.typing import NDArray

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
Event = TypeVar("Event")
Result = TypeVar("Result")


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Give the probabilities (n, k) of logits, by the definition."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def names(folder: Path) -> list[str]:
    """List what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def finished(work: Generator[Event, None, Result]) -> tuple[Result, list[Event]]:
    """Do work to its end; give its result, and what it told on the way."""
    told: list[Event] = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return end.value, told


def check(document: Any, name: str) -> None:
    """Raise ValidationError for what `name`.json does not allow."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.validate(document, schema)
