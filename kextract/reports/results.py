"""What `evaluate`, `predict` and `export` found, as tables for people and as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kextract.exports.report import Comparison, ExportReport
from kextract.records import COLUMNS
from kextract.reports.table import Cell, Table, figure_cell, name_cell, table_of
from kextract.text import decimals, json_value, shortened

if TYPE_CHECKING:
    from kextract.training.evaluation import SharedMistakes

_LONGEST_NAME = 80
_count = partial(decimals, digits=0, width=12)
_nats = COLUMNS["loss"].write
_share = COLUMNS["accuracy"].write


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """How one checkpoint does on one set of images; what needs labels is None without them."""

    checkpoint: str
    dataset: str
    """The data set, or where images without labels are from."""
    split: str | None
    images: int
    loss: float | None = None
    """Cross-entropy plus weight penalty, nats."""
    accuracy: float | None = None
    """0 to 1."""
    cross_entropy: float | None = None
    """Nats."""
    per_class: tuple[tuple[str, int, float | None], ...] = ()
    """For each class its name, its images and the accuracy on them; None where it has none."""
    agreement: float | None = None
    """Share of images with the same answer as `against`, 0 to 1."""
    kl: float | None = None
    """Mean KL(`against` || checkpoint), nats."""
    agreement_unsure: float | None = None
    """The same on the half of the images that `against` is less sure of."""
    agreement_sure: float | None = None
    """On the other half."""
    mistakes: "SharedMistakes | None" = None
    """How alike both err; None without labels, or where `against` makes no mistake."""
    against: str | None = None
    """The checkpoint that is compared with."""


Columns = Mapping[str, Callable[[EvaluationResult], Cell]]
_SUBJECT: Columns = {
    "checkpoint": lambda result: name_cell(result.checkpoint),
    "dataset": lambda result: name_cell(result.dataset),
    "split": lambda result: name_cell(result.split or "--"),
    "images": lambda result: figure_cell(result.images, _count),
}
_MEASURED: Columns = {
    "loss": lambda result: figure_cell(result.loss, _nats),
    "accuracy": lambda result: figure_cell(result.accuracy, _share),
    "cross-entropy": lambda result: figure_cell(result.cross_entropy, _nats),
}
_COMPARED: Columns = {
    "agreement": lambda result: figure_cell(result.agreement, COLUMNS["agreement"].write),
    "kl": lambda result: figure_cell(result.kl, COLUMNS["kl"].write),
    "against": lambda result: (
        Cell(None, "--") if result.against is None else name_cell(result.against)
    ),
}
_BY_CONFIDENCE: Columns = {
    "checkpoint": _SUBJECT["checkpoint"],
    "agreement, unsure": lambda result: figure_cell(result.agreement_unsure, _share),
    "sure": lambda result: figure_cell(result.agreement_sure, _share),
}
_MISTAKES: Columns = {
    "mistakes of against": lambda result: figure_cell(_of(result, "teacher_mistakes") or 0, _count),
    "repeated": lambda result: figure_cell(_of(result, "repeated"), _share),
    "by chance": lambda result: figure_cell(_of(result, "by_chance"), _share),
    "consistency": lambda result: figure_cell(_of(result, "kappa"), _share),
}


def evaluation_summary(results: Sequence[EvaluationResult]) -> Table:
    """Give a row for each checkpoint; the comparison's columns where any was compared."""
    columns = dict(_SUBJECT)
    if any(result.split is not None for result in results):
        columns |= _MEASURED
    if any(result.against is not None for result in results):
        columns |= _COMPARED
    return table_of("evaluation", results, columns)


def evaluation_mistakes(results: Sequence[EvaluationResult]) -> Table:
    """Give a row for each checkpoint that was compared: does it make its teacher's mistakes?"""
    compared = [result for result in results if result.agreement_unsure is not None]
    columns = dict(_BY_CONFIDENCE)
    if any(result.mistakes for result in compared):
        columns |= _MISTAKES
    return table_of("mistakes shared", compared, columns)


def _of(result: EvaluationResult, name: str) -> float | None:
    """Give what is known of shared mistakes by name; None where there are none to share."""
    found: float | None = getattr(result.mistakes, name, None)
    return found


def evaluation_classes(results: Sequence[EvaluationResult]) -> Table:
    """Give a row for each class; the checkpoint's name comes first where there are several."""
    several = len(results) > 1
    columns = (*(("checkpoint",) if several else ()), "class", "images", "accuracy")
    rows = (
        (*((name_cell(result.checkpoint),) if several else ()), *_class_row(*entry))
        for result in results
        for entry in result.per_class
    )
    return Table("accuracy by class", columns, tuple(rows))


def _class_row(name: str, images: int, accuracy: float | None) -> tuple[Cell, ...]:
    # An empty class has no accuracy, whatever 0 / 0 was written as.
    measured = accuracy if images else None
    shown = name_cell(shortened(name, _LONGEST_NAME))
    return shown, figure_cell(images, _count), figure_cell(measured, _share)


def evaluation_dict(result: EvaluationResult) -> dict[str, Any]:
    """Give the result as JSON has it, in full precision; the classes as a list of objects."""
    classes = [
        {"class": name, "images": images, "accuracy": accuracy if images else None}
        for name, images, accuracy in result.per_class
    ]
    fields: dict[str, Any] = json_value({**asdict(result), "per_class": classes})
    return fields


NEXT = 2
"""Classes beside the predicted one that the table for people names."""


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
    labels: tuple[str, ...] | None = None
    """Those of more than a half, where each is on its own; None where an image has one class."""


def prediction_table(predictions: Sequence[Prediction], names: Sequence[str]) -> Table:
    """Give a row per image: its class, how probable it is, and the next ones.

    Before these stand its labels, where an image may have several.
    """
    columns: dict[str, Callable[[Prediction], Cell]] = {
        "image": lambda found: name_cell(shortened(found.image, _LONGEST_NAME))
    }
    if any(found.labels is not None for found in predictions):
        columns["labels"] = lambda found: name_cell(", ".join(found.labels or ()) or "none")
    columns |= {
        "class": lambda found: name_cell(shortened(found.name, _LONGEST_NAME)),
        "probability": lambda found: figure_cell(found.probability, _share),
        "next": lambda found: name_cell(_next(found, names)),
    }
    return table_of("", predictions, columns)


def probability_table(predictions: Sequence[Prediction], names: Sequence[str]) -> Table:
    """Give a row per image with the probabilities of all classes."""
    columns = (f"{label} {name}" for label, name in enumerate(names))
    rows = (
        (
            name_cell(found.image),
            figure_cell(found.label, str),
            name_cell(found.name),
            figure_cell(found.probability, _share),
            *(figure_cell(share, _share) for share in found.probabilities),
        )
        for found in predictions
    )
    return Table("", ("image", "label", "class", "probability", *columns), tuple(rows))


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


_difference = "{:.2g}".format


def export_summary(report: ExportReport) -> Table:
    """Give what was written, a row for each fact."""
    facts = {
        "file": report.path,
        "format": report.format,
        "arithmetic": report.arithmetic,
        "pixels it takes": report.inputs,
        "what it gives": report.outputs,
        "class names": report.class_names or "not in the file",
        "bytes": f"{report.bytes:,}",
        "parameters": f"{report.parameters:,}",
        "multiply-adds": f"{report.multiply_adds:,}",
        "ms per image": f"{report.milliseconds:.3f}"
        f" (checkpoint {report.checkpoint_milliseconds:.3f})",
    }
    if report.calibration:
        facts["calibrated on"] = f"{report.calibration} {report.calibrated_on} images"
    rows = tuple((name_cell(name), name_cell(value)) for name, value in facts.items())
    return Table("export", ("what", "value"), rows)


_OF_COMPARISON: Mapping[str, Callable[[Comparison], Cell]] = {
    "images": lambda each: name_cell(each.name),
    "count": lambda each: figure_cell(each.images, _count),
    "agreement": lambda each: figure_cell(each.agreement, _share),
    "probability difference": lambda each: figure_cell(each.probability_difference, _difference),
    "logit difference": lambda each: figure_cell(each.logit_difference, _difference),
    "accuracy": lambda each: figure_cell(each.accuracy, _share),
    "of checkpoint": lambda each: figure_cell(each.checkpoint_accuracy, _share),
}


def export_comparisons(report: ExportReport) -> Table:
    """Give a row for each set of images that file and checkpoint were both asked about."""
    return table_of("compared with the checkpoint", report.comparisons, _OF_COMPARISON)
