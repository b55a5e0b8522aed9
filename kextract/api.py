"""kextract from Python: the commands as functions, with networks in memory instead of files.

`options` are those of the command of the same name, with underscores: `steps_per_epoch=100`. What
cannot be raises `kextract.errors.RequestError`, which names the option, before any work.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.config.option import convert, table
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer
from kextract.config.shared import Foreign
from kextract.errors import RequestError, UnknownNameError
from kextract.records import EpochRecord, Event, Note, Snapshot
from kextract.runs.requests import REQUESTS, invoke
from kextract.text import one_line
from kextract.transfer.auto import Facts

if TYPE_CHECKING:
    import keras

    from kextract.exports.report import ExportReport
    from kextract.reports import EvaluationResult
    from kextract.runs.job import Plan, Work
    from kextract.storage import CheckpointInfo
    from kextract.transfer.inversion.drawing import Drawn

AnyPath = str | Path
ONLY_TYPED = (
    *("output", "overwrite", "resume", "extendable", "skip_existing"),
    *("save_images", "metrics", "tensorboard", "format", "json"),
)
"""Options of the command line that make no sense here."""


class Run:
    """A training that goes on while it is iterated over, and ends at the latest when asked for.

    Iterating yields what happens as it happens: `Progress` after every update, an `EpochRecord`
    after every epoch (0 is the untrained network) and a `Note` where something is worth a line.
    Nothing is printed or written.
    """

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan
        self._work: Work | None = None
        self._events: Iterator[Event] | None = None
        self._history: list[EpochRecord] = []
        self._info: CheckpointInfo | None = None
        self._plain: keras.Model | None = None

    def __iter__(self) -> Iterator[Event]:
        """Continue the training; what was yielded before is not yielded again."""
        if self._events is None:
            from kextract.runs.job import check_workers

            self._work = self._plan.build()
            check_workers(self._plan, self._work)
            self._events = self._all_events(self._work)
        for event in self._events:
            if isinstance(event, EpochRecord):
                self._history.append(event)
            if not isinstance(event, Snapshot):
                yield event

    def _all_events(self, work: "Work") -> Iterator[Event]:
        yield from map(Note, work.notes)
        yield from work.events(None)
        yield from map(Note, work.last_words(tuple(self._history)))

    @property
    def model(self) -> "keras.Model":
        """The trained network: float32 images (n, h, w, c) in [-1, 1] to logits (n, k)."""
        return self._finished().model

    @property
    def student(self) -> "keras.Model":
        """A copy of `model` in Keras's own layers and float32, for any use outside of kextract."""
        if self._plain is None:
            from kextract.models.plain import plain

            self._plain = plain(self.model)
        return self._plain

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        """What was measured after each epoch, from epoch 0 on."""
        self._finished()
        return tuple(self._history)

    @property
    def info(self) -> "CheckpointInfo":
        """All that a checkpoint says, `info.test` with the metrics on the test images included."""
        work = self._finished()
        if self._info is None:
            self._info = work.describe(tuple(self._history))
        return self._info

    def save(self, path: AnyPath, *, overwrite: bool = False) -> None:
        """Write a checkpoint (.weights.h5), whole or not at all.

        Raises RequestError for a file that exists, StorageError where it cannot be written.
        """
        from kextract.storage import write_checkpoint

        write_checkpoint(Path(path), self.model, self.info, overwrite=overwrite)

    def _finished(self) -> "Work":
        for _ in self:
            pass
        assert self._work is not None, "iterating makes it"
        return self._work


def load(
    path: AnyPath,
    *,
    input_range: str | Sequence[float] | None = None,
    model: str | None = None,
    pooling: str | None = None,
    dataset: str | None = None,
) -> "keras.Model":
    """Load a classifier from a checkpoint, foreign weights or a whole Keras model.

    The result maps float32 images (n, h, w, c) in [-1, 1] to float32 logits (n, k). `input_range`
    says what the network in the file takes instead, such as (0, 255); `model`, `pooling` and
    `dataset` what a file of weights does not say. Nothing in the file is trusted or executed.
    Raises CheckpointError for a file that is missing, damaged or unsafe.
    """
    from kextract import runtime
    from kextract.config.shared import Machine
    from kextract.runs.opened import check_range_is_used, open_model

    foreign = Foreign(model, pooling, _range(input_range))
    opened = open_model(Path(path), foreign, Machine(), dataset=dataset, data="unwanted")
    check_range_is_used(foreign, opened)
    runtime.start()
    return opened.load("float32")[0]


def train_teacher(
    dataset: AnyPath = "strokes", model: "str | keras.Model" = "resnet11", **options: Any
) -> Run:
    """Train a classifier on labelled images.

    `dataset` is a name, an .npz file or a folder. `model` is a name, or a network of your own from
    images (n, h, w, c) in [-1, 1] to logits (n, k), which is trained in place.
    """
    from kextract.runs.teacher import prepare_teacher

    name, network = _named(model)
    invocation = _invoke("train-teacher", {"dataset": str(dataset), "model": name, **options})
    return Run(prepare_teacher(invocation, network))


def distill(
    teacher: "AnyPath | keras.Model", student: "str | keras.Model | None" = None, **options: Any
) -> Run:
    """Teach a student to answer like its teacher, on images that are made up.

    `teacher` is a file, or a classifier in memory, which is never changed: from images (n, h, w, c)
    in `input_range` ((-1, 1) by default) to logits or probabilities (n, k). `student` is a name, or
    a network of your own from images in [-1, 1] to logits, which is trained in place; by default
    it has the teacher's architecture.
    """
    from kextract.runs.choosing import facts_of_opened
    from kextract.runs.preparing import prepare_student

    source, opened = _opened(teacher, options)
    name, network = _named(student) if student is not None else (None, None)
    facts = facts_of_opened(opened) if opened is not None else None
    invocation = _invoke("distill", {"teacher": source, "student": name, **options}, facts)
    return Run(prepare_student(invocation, opened, network))


def synthesize(teacher: "AnyPath | keras.Model", **options: Any) -> "Drawn":
    """Draw images of every class out of a teacher.

    Returns `images`, uint8 (n, h, w, c), the `classes` requested of them, int (n,), and what the
    teacher says of them.
    """
    from kextract.runs.synthesis import draw, prepare_synthesis

    source, opened = _opened(teacher, options)
    invocation = _invoke("synthesize", {"teacher": source, **options})
    events = draw(invocation.request, prepare_synthesis(invocation.request, opened))
    while True:
        try:
            next(events)
        except StopIteration as end:
            drawn: Drawn = end.value
            return drawn


def export(
    model: "AnyPath | keras.Model",
    path: AnyPath,
    format: str | None = None,
    *,
    overwrite: bool = False,
    **options: Any,
) -> "ExportReport":
    """Write a classifier for other programs, run what was written, and say how it compares.

    `model` is a file or a network in memory. `format` is `keras`, `savedmodel`, `tflite` or `onnx`;
    by default the ending of `path` says it. Raises GateError, with nothing written, where the file
    does not answer as the network does.
    """
    from kextract.runs.export import prepare_export, write

    source, opened = _opened(model, options)
    request = _invoke("export", {"checkpoint": source, **options}).request
    request = replace(request, output=Path(path), format=format, overwrite=overwrite)
    events = write(request, prepare_export(request, opened))
    while True:
        try:
            event = next(events)
            if isinstance(event, Note):
                warnings.warn(one_line(event.text), stacklevel=2)
        except StopIteration as end:
            report: ExportReport = end.value
            return report


def evaluate(
    checkpoints: "AnyPath | Sequence[AnyPath]", **options: Any
) -> "list[EvaluationResult]":
    """Measure classifiers in files on labelled images, alone and `against` a teacher.

    What the command writes to stderr, such as which pixels a network of another program is given,
    is a warning here.
    """
    from kextract.runs.evaluation import run_evaluation

    paths = [checkpoints] if isinstance(checkpoints, str | Path) else list(checkpoints)
    request = _invoke("evaluate", {"checkpoints": paths, **options}).request
    notes: list[str] = []
    results = run_evaluation(request, notes.append)
    for text in notes:
        warnings.warn(one_line(text), stacklevel=2)
    return results


def _opened(teacher: Any, options: Mapping[str, Any]) -> tuple[AnyPath, Any]:
    """Name a teacher, and open it where it is in memory."""
    if isinstance(teacher, str | Path):
        return teacher, None
    from kextract import runtime
    from kextract.config.shared import Machine
    from kextract.models.input_range import parse_input_range
    from kextract.runs.opened import in_memory

    runtime.start()
    text = _range(options.get("input_range"))
    opened = in_memory(
        teacher,
        Machine(data_dir=options.get("data_dir")),
        dataset=options.get("dataset"),
        input_range=parse_input_range(text) if text else None,
        class_names=_path(options.get("class_names")),
    )
    return opened.path, opened


def _path(value: Any) -> Path | None:
    """Return what `--class-names` takes."""
    path: Path | None = convert(table(Foreign)["class_names"], value, f"class_names={value!r}")
    return path


def _range(value: Any) -> str | None:
    """Return what `--input-range` takes for a name, a file or two numbers."""
    text: str | None = convert(table(Foreign)["input_range"], value, f"input_range={value!r}")
    return text


def _named(model: Any) -> tuple[str, Any]:
    """Name a network, and return it where it is in memory."""
    return (model, None) if isinstance(model, str) else (str(model.name), model)


def _invoke(
    command: str, options: Mapping[str, Any], facts: Facts | None = None
) -> Invocation[Any]:
    entries = table(REQUESTS[command])
    values = {}
    for name, value in options.items():
        if name in ONLY_TYPED:
            raise RequestError(f"{name}: is for the command line; see kextract.Run.save")
        if name not in entries:
            raise UnknownNameError("option", name, [*entries])
        values[name] = convert(entries[name], value, f"{name}={value!r}")
    return invoke(command, Layer(COMMAND_LINE, values), facts=facts)
