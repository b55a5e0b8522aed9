"""What `evaluate`, `predict` and `export` found, as tables for people and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kextract.columns import COLUMNS
from kextract.exports.report import ExportReport
from kextract.reports.table import Cell, Table, figure_cell, name_cell
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


def evaluation_summary(results: Sequence[EvaluationResult]) -> Table:
    """Give a row for each checkpoint; the comparison's columns where any was compared."""
    labelled = any(result.split is not None for result in results)
    compared = any(result.against is not None for result in results)
    columns = ["checkpoint", "dataset", "split", "images"]
    if labelled:
        columns += ["loss", "accuracy", "cross-entropy"]
    if compared:
        columns += ["agreement", "kl", "against"]
    rows = (
        (*_subject(result), *(_measured(result) if labelled else ()))
        + (_compared(result) if compared else ())
        for result in results
    )
    return Table("evaluation", tuple(columns), tuple(rows))


def evaluation_mistakes(results: Sequence[EvaluationResult]) -> Table:
    """Give a row for each checkpoint that was compared: does it make its teacher's mistakes?"""
    compared = [result for result in results if result.agreement_unsure is not None]
    columns: tuple[str, ...] = ("checkpoint", "agreement, unsure", "sure")
    if labelled := any(result.mistakes for result in compared):
        columns += ("mistakes of against", "repeated", "by chance", "consistency")
    rows = (
        (
            name_cell(result.checkpoint),
            figure_cell(result.agreement_unsure, _share),
            figure_cell(result.agreement_sure, _share),
            *(_mistakes(result.mistakes) if labelled else ()),
        )
        for result in compared
    )
    return Table("mistakes shared", columns, tuple(rows))


def _mistakes(found: "SharedMistakes | None") -> tuple[Cell, ...]:
    if found is None:
        return (figure_cell(0, _count), *[figure_cell(None, _share)] * 3)
    return (
        figure_cell(found.teacher_mistakes, _count),
        figure_cell(found.repeated, _share),
        figure_cell(found.by_chance, _share),
        figure_cell(found.kappa, _share),
    )


def _subject(result: EvaluationResult) -> tuple[Cell, ...]:
    return (
        name_cell(result.checkpoint),
        name_cell(result.dataset),
        name_cell(result.split or "--"),
        figure_cell(result.images, _count),
    )


def _measured(result: EvaluationResult) -> tuple[Cell, ...]:
    return (
        figure_cell(result.loss, _nats),
        figure_cell(result.accuracy, _share),
        figure_cell(result.cross_entropy, _nats),
    )


def _compared(result: EvaluationResult) -> tuple[Cell, ...]:
    return (
        figure_cell(result.agreement, COLUMNS["agreement"].write),
        figure_cell(result.kl, COLUMNS["kl"].write),
        Cell(None, "--") if result.against is None else name_cell(result.against),
    )


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
    by_label = any(found.labels is not None for found in predictions)
    return Table(
        "",
        ("image", *(("labels",) if by_label else ()), "class", "probability", "next"),
        tuple(
            (
                name_cell(shortened(found.image, _LONGEST_NAME)),
                *((name_cell(", ".join(found.labels or ()) or "none"),) if by_label else ()),
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


def export_comparisons(report: ExportReport) -> Table:
    """Give a row for each set of images that file and checkpoint were both asked about."""
    columns = (
        *("images", "count", "agreement", "probability difference", "logit difference"),
        *("accuracy", "of checkpoint"),
    )
    rows = tuple(
        (
            name_cell(each.name),
            figure_cell(each.images, _count),
            figure_cell(each.agreement, _share),
            figure_cell(each.probability_difference, _difference),
            figure_cell(each.logit_difference, _difference),
            figure_cell(each.accuracy, _share),
            figure_cell(each.checkpoint_accuracy, _share),
        )
        for each in report.comparisons
    )
    return Table("compared with the checkpoint", columns, rows)
