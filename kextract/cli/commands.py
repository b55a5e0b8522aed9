"""The commands that do one thing each: a call, its results to stdout, all else to stderr."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from kextract.config import RECIPES
from kextract.config.files import preset, preset_names
from kextract.config.requests import (
    CompareRequest,
    DistillRequest,
    DoctorRequest,
    EvaluateRequest,
    ExportRequest,
    InspectRequest,
    ListRequest,
    PredictRequest,
    ReportRequest,
    SynthesizeRequest,
    TrainRequest,
)
from kextract.config.resolve import Invocation
from kextract.datasets import DATASETS
from kextract.errors import GateError, KextractError
from kextract.methods import METHODS
from kextract.models import MODELS

if TYPE_CHECKING:
    from kextract.display import Display
    from kextract.reports import EvaluationResult, Table
    from kextract.runs.student import StudentRun


LONGEST_NAME, LONGEST_VALUE = 80, 2000
"""Characters in the table of `inspect`; JSON holds all of them."""


def print_table(table: "Table") -> None:
    """Print a table: drawn on a terminal, aligned text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(table.to_rich())
    else:
        print(table.to_text())


def say(text: str) -> None:
    """Write one line to stderr."""
    from kextract.text import one_line

    print(one_line(text), file=sys.stderr)


@contextmanager
def shown(format: str) -> "Iterator[Display]":
    """Show a run in this format, and at once that it has begun."""
    from kextract.display import make_display

    with make_display(format) as display:
        display.busy("starting TensorFlow ...")
        yield display


def train_teacher(invocation: Invocation[TrainRequest]) -> None:
    """Train a teacher on labelled images; the defaults are the article's."""
    from kextract.runs.teacher import TeacherRun

    with shown(invocation.request.format) as display:
        TeacherRun(invocation).carry_out(display)


def distill(invocation: Invocation[DistillRequest]) -> "StudentRun":
    """Teach a student to predict like TEACHER, on images that are made up."""
    from kextract.runs.student import StudentRun

    with shown(invocation.request.format) as display:
        run = StudentRun(invocation)
        run.carry_out(display)
    return run


def synthesize(invocation: Invocation[SynthesizeRequest]) -> None:
    """Synthesize images of every class from TEACHER, without data and without a student.

    A generator is trained against the teacher, as distill --method inversion does. The picture has
    a row for each class.
    """
    from kextract.runs.synthesis import run_synthesis

    with shown(invocation.request.format) as display:
        run_synthesis(invocation, display)


def evaluate(invocation: Invocation[EvaluateRequest]) -> None:
    """Measure checkpoints on labelled images, or their agreement on any images.

    Shows loss, accuracy, accuracy per class, and with --against agreement with a teacher
    and how many of its mistakes are shared.
    """
    from kextract.display import waiting
    from kextract.reports import (
        evaluation_classes,
        evaluation_dict,
        evaluation_mistakes,
        evaluation_summary,
    )
    from kextract.runs.evaluation import run_evaluation
    from kextract.text import json_text

    request = invocation.request
    with waiting("starting TensorFlow, measuring ..."):
        results = run_evaluation(request, say)
    if request.format == "json":
        for result in results:
            print(json_text(evaluation_dict(result)))
    else:
        print_table(evaluation_summary(results))
        if any(result.per_class for result in results):
            print_table(evaluation_classes(results))
        if any(result.agreement_unsure is not None for result in results):
            print_table(evaluation_mistakes(results))
    for name in ("accuracy", "agreement"):
        _check_gate(results, name, getattr(request, f"min_{name}"))


def _check_gate(results: "Sequence[EvaluationResult]", name: str, least: float | None) -> None:
    """Raise GateError for the worst result where it is below the least that may be."""
    measured = [
        (found, result) for result in results if (found := getattr(result, name)) is not None
    ]
    if least is None or not measured:
        return
    found, worst = min(measured, key=lambda pair: pair[0])
    if found < least:
        raise GateError(
            f"'{worst.checkpoint}' has an {name} of {found:.4f}, below the {least:g} of"
            f" --min-{name}"
        )


def export(invocation: Invocation[ExportRequest]) -> None:
    """Write a checkpoint as .keras, SavedModel, TFLite or ONNX, of stock layers only.

    The file's own runtime runs it at once, and it is written only if it agrees with the checkpoint.
    --int8 needs no data: it is calibrated on images that are made up.
    """
    from kextract.reports.results import export_comparisons, export_summary
    from kextract.runs.export import Export
    from kextract.text import json_text

    request = invocation.request
    with shown("quiet" if request.json else "auto") as display:
        work = Export(invocation)
        with display:
            report = work.shown(display)
            display.finish((), {})
    if request.json:
        print(json_text(report.to_dict()))
    else:
        print_table(export_summary(report))
        print_table(export_comparisons(report))


def predict(invocation: Invocation[PredictRequest]) -> None:
    """Classify unlabelled images: an image, a folder of them or an .npz file.

    Images of any size are brought to the size that the network takes.
    """
    from kextract.display import waiting
    from kextract.reports import prediction_dict, prediction_table, probability_table
    from kextract.runs.evaluation import run_prediction
    from kextract.text import json_text

    with waiting("starting TensorFlow, predicting ..."):
        found, names = run_prediction(invocation.request, say)
    format = invocation.request.format
    if format == "json":
        for prediction in found:
            print(json_text(prediction_dict(prediction)))
    elif format == "csv":
        print(probability_table(found, names).to_csv(), end="")
    else:
        print_table(prediction_table(found, names))


def compare(invocation: Invocation[CompareRequest]) -> None:
    """Compare checkpoints on test images, in their best epochs and in their last.

    The numbers come from the histories in the files; no images are needed. Runs that differ only in
    their seed are one row: mean, standard deviation, number of runs.
    """
    from kextract.reports import epochs, find_metrics, summary
    from kextract.runs.reporting import grouped, read_runs, write_plot
    from kextract.text import words

    request = invocation.request
    runs = read_runs(request.checkpoints)
    groups = grouped(runs, request.group_by)
    names = words(request.columns)
    metrics = find_metrics(names, runs) if names else None
    separate = request.format in ("csv", "json")
    if request.plot is not None:
        write_plot(request, groups)
        say(f"wrote the plot '{request.plot}'")
    table = (
        epochs(groups, separate=separate)
        if request.epochs
        else summary(groups, metrics, separate=separate)
    )
    _print_comparison(table, request.format)


def _print_comparison(table: "Table", format: str) -> None:
    if format == "table":
        print_table(table)
    elif format == "markdown":
        print(table.to_markdown())
    elif format == "csv":
        print(table.to_csv(), end="")
    else:
        from kextract.text import json_text

        print(json_text(table.to_objects()))


def report(invocation: Invocation[ReportRequest]) -> None:
    """Write the options and results of runs as one HTML file.

    The page needs nothing else, no network either: results, epochs, teacher and student side by
    side, images that were drawn beside the checkpoints, commands and configurations. A student's
    teacher is added where it is in the same folder or in checkpoints/.
    """
    from kextract.runs.reporting import write_report

    path = write_report(invocation.request, say)
    print(path)
    print(f"open it in a browser: {path.resolve().as_uri()}", file=sys.stderr)


def inspect_checkpoint(invocation: Invocation[InspectRequest]) -> None:
    """Show what a checkpoint holds and how it was made, or what another model or a ledger is."""
    from kextract.reports.table import Table, name_cell
    from kextract.runs.inspection import inspected, settings_in
    from kextract.text import json_text, shortened

    request = invocation.request
    if request.config:
        print(settings_in(request), end="")
        return
    facts, words = inspected(request)
    if request.format == "json":
        print(json_text(dict(sorted(facts.items()))))
        return
    rows = tuple(
        (name_cell(shortened(name, LONGEST_NAME)), name_cell(shortened(value, LONGEST_VALUE)))
        for name, value in words.items()
    )
    print_table(Table(str(request.checkpoint), ("what", "value"), rows))


def doctor(invocation: Invocation[DoctorRequest]) -> None:
    """Check the installation: packages, devices and data, and how to get what is missing.

    Exits with 1 where something is wrong that runs need.
    """
    from kextract.cli.doctor import diagnose
    from kextract.reports.table import Table, name_cell
    from kextract.text import json_text

    findings = diagnose(invocation.request.machine.data_dir)
    if invocation.request.format == "json":
        print(json_text([asdict(finding) for finding in findings]))
    else:
        rows = tuple(
            tuple(name_cell(value) for value in asdict(finding).values()) for finding in findings
        )
        print_table(Table("", ("what", "found", "status", "advice"), rows))
    problems = [finding for finding in findings if finding.status == "problem"]
    if problems:
        text = "; ".join(f"{finding.what}: {finding.advice}" for finding in problems)
        raise KextractError(f"something is wrong here: {text}")


def list_names(invocation: Invocation[ListRequest]) -> None:
    """List data sets, models, methods, recipes and presets."""
    kinds = {
        "data sets": [(name, spec.description) for name, spec in DATASETS.items()],
        "models": [(name, spec.description) for name, spec in MODELS.items()],
        "methods": [(name, spec.description) for name, spec in METHODS.items()],
        "recipes": list(RECIPES.items()),
        "presets": [(name, preset(name).source) for name in preset_names()],
    }
    if invocation.request.format == "json":
        print(json.dumps({kind: dict(entries) for kind, entries in kinds.items()}))
        return
    from kextract.reports.table import Table, name_cell

    for kind, entries in kinds.items():
        if kind == "models":
            print_table(_models_table())
            continue
        rows = tuple((name_cell(name), name_cell(text)) for name, text in entries)
        print_table(Table(kind, ("name", "what it is"), rows))


def _models_table() -> "Table":
    from kextract.reports.table import Table, figure_cell, name_cell

    rows = tuple(
        (
            name_cell(name),
            name_cell(spec.description),
            figure_cell(spec.cost.parameters if spec.cost else None, "{:,}".format),
            figure_cell(spec.cost.multiply_adds if spec.cost else None, "{:,}".format),
        )
        for name, spec in MODELS.items()
    )
    title = "models (for 32x32x3 images and ten classes; NAME@0.5 is half as wide)"
    return Table(title, ("name", "what it is", "parameters", "multiply-adds"), rows)
