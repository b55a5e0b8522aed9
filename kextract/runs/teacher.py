"""One training of a teacher, from its request to its checkpoint."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kextract import runtime
from kextract.config.requests import TrainRequest
from kextract.config.resolve import OPTIONS, Invocation
from kextract.datasets.class_matching import note_unseen
from kextract.datasets.images import (
    EVENLY,
    FIRST,
    Holdout,
    check_shift,
    classes_left_out,
    cut,
    too_few_to_judge,
)
from kextract.datasets.loading import load_dataset
from kextract.display import RunHeader
from kextract.models import check_input_shape, model_pooling
from kextract.records import EpochRecord, Event, Snapshot
from kextract.replicas import cluster_of
from kextract.reports.verdict import Sizes
from kextract.runs.outputs import check_is_new, output_path, stem, teacher_file
from kextract.runs.plan import Plan, memory_of
from kextract.runs.resume_store import comparable, images_sha256
from kextract.runs.run import Run, Say
from kextract.storage import CheckpointInfo
from kextract.storage.resume import Request
from kextract.text import counted, dimensions

if TYPE_CHECKING:
    import keras

DRAWN = "images of --limit drawn"
"""How an unfinished run chose its images; one without it has the first ones."""
COLUMNS = ("epoch", "cross_entropy", "accuracy", "seconds")
WIDE = ("epoch", "cross_entropy", "loss", "accuracy", "train_loss", "seconds")


class TeacherRun(Run):
    """The training of a classifier on labelled images."""

    def __init__(
        self, invocation: Invocation[TrainRequest], network: "keras.Model | None" = None
    ) -> None:
        """Refuse whatever can be refused before the work begins. Raises RequestError.

        `network` is one that Python has in memory already, in place of a file or a name.
        """
        super().__init__(invocation)
        check_is_new(invocation.request.output)
        request = invocation.request
        runtime.limit_threads(request.machine.threads)
        runtime.join(cluster_of(request.strategy))
        self.data = data = load_dataset(request.dataset, request.machine.data_dir)
        check_input_shape(data.input_shape)
        check_shift(request.config.shift, data.input_shape)
        if not self.take(network, request.model, "--model", data.input_shape, data.classes):
            self.architecture = request.model
            self.pooling = model_pooling(request.model, data.input_shape, request.pooling)
        model = Path(request.model)
        self.title = f"teacher {self.architecture} on {data.name}"
        self.names = {**invocation.values, "dataset": data.name, "model": model}
        name = teacher_file(data.name, stem(model), request.config.seed)
        self.output = output_path(request.output.output, name, self.names)

    def build(self, kept: Request | None = None, say: Say = lambda text: None) -> None:
        """Cut the images into their parts and make the network."""
        request, data = self.invocation.request, self.data
        self.holdout = holdout_for(request, kept)
        self.training, self.validation = (
            cut(data, part, self.holdout) for part in ("train", "validation")
        )
        runtime.start()
        from kextract.models.cost import cost_of

        precision = self.fastest(request.config.precision)
        self.config = config = replace(request.config, precision=precision)
        self.network = self.make(
            self.own.network if self.own else None,
            data.input_shape,
            data.classes,
            weight_decay=config.weight_decay,
            precision=precision,
            seed=config.seed,
        )
        self.sizes = Sizes(cost_of(self.network))
        self.request = {
            "--dataset": data.name,
            "--model": self.architecture,
            "--pooling": self.pooling,
            "--limit": request.limit,
            **({DRAWN: EVENLY} if self.holdout.drawing == EVENLY else {}),
            **comparable(config),
            "images with SHA-256": images_sha256(self.training, self.validation),
        }
        self.notes = (
            *data.notes,
            *too_few_to_judge(self.validation),
            *classes_left_out(self.training, data, request.limit),
            *note_unseen(data),
        )
        shape = dimensions(data.input_shape)
        memory = memory_of(self.network, config.batch_size, data.nbytes)
        adds = self.sizes.own.multiply_adds
        self.plan = Plan.of_teacher(config, len(self.training.x), adds, memory)
        self.notes = (str(self.plan), *self.notes)
        self.header = RunHeader(
            title=self.title,
            subtitle=f"{len(self.training.x)} images in batches of {config.batch_size}, up to"
            f" {counted(config.epochs, 'epoch')}, {precision}, seed {config.seed}",
            networks=(f"teacher  {self.sizes.own.described()}; {shape} images of {data.name}",),
            epochs=config.epochs,
            columns=self.columns or COLUMNS,
            wide=() if self.columns else WIDE,
            command=self.invocation.command_line(),
        )

    def train(self, earlier: Snapshot | None) -> Iterator[Event]:
        """Train the network on labelled images."""
        from kextract.training.teacher import train_teacher

        events = train_teacher(
            self.network,
            self.training,
            self.validation,
            self.config,
            flip=self.data.flip,
            resume=earlier,
            snapshots=True,
            strategy=runtime.strategy(self.invocation.request.strategy),
        )
        return self.own.following(events) if self.own else events

    def describe(self, history: tuple[EpochRecord, ...]) -> CheckpointInfo:
        """Measure the network on the test images and say what it was trained on."""
        from kextract.training.evaluation import final_scores

        data, config = self.data, self.config
        settings = self.invocation.settings(
            pooling=self.pooling if self.own is None else None, precision=config.precision
        )
        return CheckpointInfo(
            kind="teacher",
            model=self.architecture,
            pooling=self.pooling,
            input_shape=data.input_shape,
            classes=data.classes,
            dataset=self.invocation.request.dataset,
            class_names=data.class_names,
            flip=data.flip,
            seed=config.seed,
            precision=config.precision,
            config={
                **asdict(config),
                "holdout": asdict(self.holdout),
                "command": self.invocation.command_line(),
                OPTIONS: settings,
            },
            history=history,
            test=final_scores(self.network, data),
        )


def holdout_for(request: TrainRequest, kept: Request | None) -> Holdout:
    """Say which images are used and which of them held out, as the unfinished run has it."""
    config, drawing = request.config, FIRST
    if request.limit is not None and (kept is None or DRAWN in kept):
        drawing = EVENLY
    return Holdout(config.seed, config.validation_fraction, request.limit, drawing)
