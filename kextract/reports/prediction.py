"""What `kextract predict` found, as a table for people and one for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kextract.columns import COLUMNS
from kextract.reports.table import Table, figure_cell, name_cell
from kextract.text import shortened

NEXT = 2
"""Classes beside the predicted one that the table for people names."""
_LONGEST_NAME = 60
_share = COLUMNS["accuracy"].write


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one image."""

    image: str
    """The name of its file, or its place in an array."""
    label: int
    name: str
    """Of the predicted class."""
    probability: float
    """Of the predicted class, 0 to 1."""
    probabilities: tuple[float, ...]
    """One per class."""


def prediction_table(predictions: Sequence[Prediction], names: Sequence[str]) -> Table:
    """Give a row per image: its class, how probable it is, and the next ones."""
    return Table(
        "",
        ("image", "class", "probability", "next"),
        tuple(
            (
                name_cell(shortened(found.image, _LONGEST_NAME)),
                name_cell(shortened(found.name, _LONGEST_NAME)),
                figure_cell(found.probability, _share),
                name_cell(_next(found, names)),
            )
            for found in predictions
        ),
    )


def probability_table(predictions: Sequence[Prediction], names: Sequence[str]) -> Table:
    """Give a row per image with the probabilities of all classes."""
    columns = (f"{label} {name}" for label, name in enumerate(names))
    return Table(
        "",
        ("image", "label", "class", "probability", *columns),
        tuple(
            (
                name_cell(found.image),
                figure_cell(found.label, str),
                name_cell(found.name),
                figure_cell(found.probability, _share),
                *(figure_cell(share, _share) for share in found.probabilities),
            )
            for found in predictions
        ),
    )


def prediction_dict(prediction: Prediction) -> dict[str, Any]:
    """Give what JSON says of an image."""
    found = asdict(prediction)
    return {
        "image": found.pop("image"),
        "label": found.pop("label"),
        "class": found.pop("name"),
        **found,
    }


def _next(found: Prediction, names: Sequence[str]) -> str:
    shares = found.probabilities
    order = sorted(range(len(shares)), key=lambda label: -shares[label])
    others = [label for label in order if label != found.label][:NEXT]
    return ", ".join(
        f"{shortened(names[label], _LONGEST_NAME)} {shares[label]:.4f}" for label in others
    )
