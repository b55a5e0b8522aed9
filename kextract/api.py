"""kextract from Python: the commands as functions, with networks in memory instead of files.

`options` are those of the command of the same name, with underscores: `steps_per_epoch=100`. What
cannot be raises `kextract.errors.RequestError`, which names the option, before any work. What the
caller shares with us (random numbers, the settings of TensorFlow) is left as it was.
"""

import os
import reprlib
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from kextract import runtime
from kextract.config.option import convert, table
from kextract.config.requests import REQUESTS
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer
from kextract.config.shared import ExternalModelOptions, Machine
from kextract.errors import RequestError, UnknownNameError
from kextract.options import (
    AnyPath,
    DistillOptions,
    EvaluateOptions,
    ExportOptions,
    LoadOptions,
    SynthesizeOptions,
    TrainTeacherOptions,
)
from kextract.records import Note
from kextract.runs.invoke import invoke
from kextract.runs.run import Run
from kextract.text import one_line

if TYPE_CHECKING:
    import keras

    from kextract.display import Display
    from kextract.exports.report import ExportReport
    from kextract.methods.inversion import Synthesized
    from kextract.reports import EvaluationResult
    from kextract.runs.opening import Teacher

ONLY_TYPED = (
    *("output", "overwrite", "resume", "extendable", "skip_existing"),
    *("save_images", "metrics", "tensorboard", "format", "columns", "json"),
)
"""Options of the command line that make no sense here."""
__all__ = ["Run", "distill", "evaluate", "export", "load", "synthesize", "train_teacher"]


@runtime.as_guest()
def load(path: AnyPath, **options: Unpack[LoadOptions]) -> "keras.Model":
    """Load a classifier from a checkpoint, foreign weights or a whole Keras model.

    The result maps float32 images (n, h, w, c) in [-1, 1] to float32 logits (n, k). `input_range`
    says what the network in the file takes instead, such as (0, 255); `model`, `pooling` and
    `dataset` what a file of weights does not say; `input_shape` (h, w, c) what a network leaves
    open; `outputs` what the network gives, and `output_name` which of several outputs is meant.
    Nothing in the file is trusted or executed. Raises CheckpointError for a file that is missing,
    damaged or unsafe.
    """
    from kextract.runs.synthesis import Synthesis

    values = _values("synthesize", {"teacher": path, **options})
    teacher = Synthesis(_invocation("synthesize", values)).teacher
    runtime.start()
    return teacher.load("float32")[0]


@runtime.as_guest()
def train_teacher(
    dataset: AnyPath = "strokes",
    model: "AnyPath | keras.Model" = "resnet11",
    *,
    progress: bool = False,
    **options: Unpack[TrainTeacherOptions],
) -> Run:
    """Train a classifier on labelled images, with `progress` in a table that grows meanwhile.

    `dataset` is a name, an .npz file or a folder. `model` is a name, a .keras file, or a network of
    your own from images (n, h, w, c) in [-1, 1] to logits (n, k), which is trained in place.
    """
    from kextract.runs.teacher import TeacherRun

    values = _values("train-teacher", {"dataset": dataset, "model": _name(model), **options})
    run = TeacherRun(_invocation("train-teacher", values), _network(model, "model"))
    return run.shown_by(_display(progress))


@runtime.as_guest()
def distill(
    teacher: "AnyPath | keras.Model",
    student: "AnyPath | keras.Model | None" = None,
    *,
    progress: bool = False,
    **options: Unpack[DistillOptions],
) -> Run:
    """Teach a student to answer like its teacher, on images that are made up.

    `teacher` is a file, or a classifier in memory, which is never changed: from images (n, h, w, c)
    in `input_range` ((-1, 1) by default) to logits or probabilities (n, k). `student` is a name, a
    .keras file, or a network of your own from images in [-1, 1] to logits, which is trained in
    place; by default it has the teacher's architecture. `progress` shows a table that grows while
    the student is taught, in a notebook too.
    """
    from kextract.runs.student import StudentRun

    named = {"teacher": _name(teacher), "student": None if student is None else _name(student)}
    values = _values("distill", {**named, **options})
    opened = _opened(teacher, "teacher", values)
    network = None if student is None else _network(student, "student")
    if opened is not None and network is not None:
        from kextract.foreign.keras.classifier import check_apart

        check_apart(network, teacher)
    run = StudentRun(_invocation("distill", values, opened), opened, network)
    return run.shown_by(_display(progress))


@runtime.as_guest()
def synthesize(
    teacher: "AnyPath | keras.Model", **options: Unpack[SynthesizeOptions]
) -> "Synthesized":
    """Draw images of every class out of a teacher.

    Returns `images`, uint8 (n, h, w, c), the `classes` requested of them, int (n,), and what the
    teacher says of them.
    """
    from kextract.runs.synthesis import Synthesis

    values = _values("synthesize", {"teacher": _name(teacher), **options})
    opened = _opened(teacher, "teacher", values)
    return Synthesis(_invocation("synthesize", values), opened).result()


@runtime.as_guest()
def export(
    model: "AnyPath | keras.Model",
    path: AnyPath,
    format: str | None = None,
    *,
    overwrite: bool = False,
    **options: Unpack[ExportOptions],
) -> "ExportReport":
    """Write a classifier for other programs, run what was written, and say how it compares.

    `model` is a file or a network in memory. `format` is `keras`, `savedmodel`, `tflite` or `onnx`;
    by default the ending of `path` says it. Raises GateError, with nothing written, where the file
    does not answer as the network does.
    """
    from kextract.runs.export import Export

    values = _values("export", {"checkpoint": _name(model), **options})
    output = _converted("export", "output", path, "path")
    asked = _invocation("export", values)
    request = replace(asked.request, output=output, format=format, overwrite=overwrite)
    work = Export(replace(asked, request=request), _opened(model, "model", values))
    notes: list[str] = []
    report = work.result(
        lambda event: notes.extend([event.text] if isinstance(event, Note) else [])
    )
    for text in notes:
        warnings.warn(one_line(text), stacklevel=3)
    return report


@runtime.as_guest()
def evaluate(
    checkpoints: "AnyPath | keras.Model | Sequence[AnyPath | keras.Model]",
    *,
    against: "AnyPath | keras.Model | None" = None,
    **options: Unpack[EvaluateOptions],
) -> "list[EvaluationResult]":
    """Measure classifiers on labelled images, alone and `against` a teacher.

    Each is a file or a network in memory; one in memory needs a `dataset`. What the command writes
    to stderr, such as which pixels a network of another program is given, is a warning here.
    """
    from kextract.runs.evaluation import run_evaluation

    given: Any = checkpoints
    if isinstance(given, str | os.PathLike) or not isinstance(given, Iterable):
        given = [given]
    models = list(given)
    names = [_name(model) for model in models]
    named = {"checkpoints": names, "against": None if against is None else _name(against)}
    values = _values("evaluate", {**named, **options})
    request = _invocation("evaluate", values).request
    opened = [_opened(model, "checkpoints", values) for model in models]
    teacher = None if against is None else _opened(against, "against", values)
    notes: list[str] = []
    results = run_evaluation(request, notes.append, given=opened, teacher=teacher)
    for text in notes:
        warnings.warn(one_line(text), stacklevel=3)
    return results


def _display(progress: bool) -> "Display | None":
    """Make the display of a run in Python: a place in a notebook's cell, or rows on stdout."""
    if not progress:
        return None
    from kextract.display import make_display
    from kextract.display.formats import NotebookDisplay, in_notebook

    return NotebookDisplay() if in_notebook() else make_display("auto", stderr=sys.stdout)


def _opened(model: Any, what: str, values: Mapping[str, Any]) -> "Teacher | None":
    """Open a classifier that is in memory, with the options that are for it."""
    if isinstance(model, str | os.PathLike):
        return None
    runtime.start()
    from kextract.foreign.keras.classifier import classifier_given
    from kextract.runs.opening import open_teacher

    names = ("input_range", "input_shape", "class_names", "outputs", "output_name")
    external = ExternalModelOptions(**{name: values.get(name) for name in names})
    return open_teacher(
        classifier_given(model, what, external.shape),
        external,
        Machine(data_dir=values.get("data_dir")),
        dataset=values.get("dataset"),
    )


def _network(model: Any, what: str) -> Any:
    """Return a network in memory that is to be trained; None for a name."""
    if isinstance(model, str | os.PathLike):
        return None
    runtime.start()
    from kextract.foreign.keras.classifier import network_given

    return network_given(model, what)


def _name(model: Any) -> Any:
    """Name a classifier: a file by its path, a network by the name that Keras knows it by."""
    if isinstance(model, str | os.PathLike):
        return model
    return str(getattr(model, "name", type(model).__name__))


def _values(command: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the names of options, and give values of their types."""
    for name in options:
        if name in ONLY_TYPED:
            raise RequestError(f"{name}: is for the command line; see kextract.Run.save")
        if name not in table(REQUESTS[command]):
            raise UnknownNameError("option", name, [*table(REQUESTS[command])])
    return {name: _converted(command, name, value) for name, value in options.items()}


def _converted(command: str, name: str, value: Any, called: str | None = None) -> Any:
    shown = one_line(_SHOWN.repr(value))
    return convert(table(REQUESTS[command])[name], value, f"{called or name}={shown}")


def _invocation(
    command: str, values: Mapping[str, Any], teacher: "Teacher | None" = None
) -> Invocation[Any]:
    return invoke(command, Layer(COMMAND_LINE, values), teacher=teacher)


_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 80
