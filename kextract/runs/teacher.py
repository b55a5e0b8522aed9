"""One training of a teacher, from its request to what is ready to begin."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.config import Holdout
from kextract.config.requests import TrainRequest
from kextract.config.resolve import OPTIONS, Invocation
from kextract.config.training import EVENLY, FIRST
from kextract.datasets.class_matching import note_unseen
from kextract.datasets.dataset import Dataset
from kextract.datasets.images import Images
from kextract.datasets.loading import load_dataset
from kextract.display import RunHeader
from kextract.models import check_input_shape, model_pooling
from kextract.records import EpochRecord, Event, Snapshot
from kextract.replicas import cluster_of
from kextract.runs.job import Work, final_scores
from kextract.runs.outputs import output_path, stem, teacher_file
from kextract.runs.own_network import OwnNetwork, own_network
from kextract.runs.parts import check_shift, classes_left_out, cut, too_few_to_judge
from kextract.runs.resume_store import comparable, images_sha256
from kextract.storage import CheckpointInfo
from kextract.storage.info import OWN_ARCHITECTURE
from kextract.storage.opening import names_model
from kextract.storage.resume import Request
from kextract.text import counted

if TYPE_CHECKING:
    import keras

DRAWN = "images of --limit drawn"
"""How an unfinished run chose its images; one without it has the first ones."""
COLUMNS = ("epoch", "loss", "accuracy", "train_loss", "seconds")


@dataclass(frozen=True)
class TeacherPlan:
    """A training of a teacher of which nothing is left to refuse."""

    invocation: Invocation[TrainRequest]
    output: Path
    data: Dataset
    architecture: str
    """The network's name in the registry, or `OWN_ARCHITECTURE`."""
    pooling: str
    own: OwnNetwork | None = None
    """A network whose architecture is not in the registry."""

    @property
    def title(self) -> str:
        """What is trained, in a few words."""
        return f"teacher {self.architecture} on {self.data.name}"

    @property
    def command(self) -> str:
        """The command that makes this run."""
        return self.invocation.command_line()

    @property
    def names(self) -> Mapping[str, Any]:
        """What may stand in braces in the name of a file."""
        return names_of_teacher(self.invocation, self.data)

    @property
    def ledger(self) -> None:
        """Nobody is asked."""

    def check_output(self, *, replace: bool) -> None:
        """Nothing is written beside the output."""

    def build(self, kept: Request | None = None) -> Work:
        """Cut the images into their parts and make the network."""
        request, data = self.invocation.request, self.data
        config = request.config
        holdout = holdout_for(request, kept)
        training, validation = (cut(data, part, holdout) for part in ("train", "validation"))

        runtime.start()
        from kextract.models.build import build_model, fastest_precision
        from kextract.models.tf_workarounds import safe_to_train
        from kextract.training.teacher import train_teacher

        strategy = runtime.strategy(request.strategy)
        registered = None if self.own is not None else self.architecture
        config = replace(config, precision=fastest_precision(config.precision, registered))
        network = safe_to_train(
            self.own.network
            if self.own
            else build_model(
                self.architecture,
                data.input_shape,
                data.classes,
                pooling=self.pooling,
                weight_decay=config.weight_decay,
                precision=config.precision,
                seed=config.seed,
            )
        )

        def describe(history: tuple[EpochRecord, ...]) -> CheckpointInfo:
            return CheckpointInfo(
                kind="teacher",
                model=self.architecture,
                pooling=self.pooling,
                input_shape=data.input_shape,
                classes=data.classes,
                dataset=request.dataset,
                class_names=data.class_names,
                flip=data.flip,
                seed=config.seed,
                precision=config.precision,
                config={
                    **asdict(config),
                    "holdout": asdict(holdout),
                    "command": self.command,
                    OPTIONS: self.invocation.settings(
                        pooling=self.pooling if self.own is None else None,
                        precision=config.precision,
                    ),
                },
                history=history,
                test=final_scores(network, data),
            )

        def events(earlier: Snapshot | None) -> Iterator[Event]:
            running = train_teacher(
                network,
                training,
                validation,
                config,
                flip=data.flip,
                resume=earlier,
                snapshots=True,
                strategy=strategy,
            )
            return self.own.following(running) if self.own else running

        return Work(
            header=self._header(training, config.precision),
            model=network,
            request={
                "--dataset": data.name,
                "--model": self.architecture,
                "--pooling": self.pooling,
                "--limit": request.limit,
                **({DRAWN: EVENLY} if holdout.drawing == EVENLY else {}),
                **comparable(config),
                "images with SHA-256": images_sha256(training, validation),
            },
            events=events,
            describe=describe,
            notes=(
                *data.notes,
                *too_few_to_judge(validation),
                *classes_left_out(training, data, request.limit),
                *note_unseen(data),
            ),
        )

    def _header(self, training: Images, precision: str) -> RunHeader:
        config = self.invocation.request.config
        return RunHeader(
            title=self.title,
            subtitle=f"{len(training.x)} images in batches of {config.batch_size}, up to"
            f" {counted(config.epochs, 'epoch')}, {precision}, seed {config.seed}",
            epochs=config.epochs,
            columns=COLUMNS,
            command=self.command,
        )


def prepare_teacher(
    invocation: Invocation[TrainRequest], network: "keras.Model | None" = None
) -> TeacherPlan:
    """Refuse whatever can be refused before the work begins. Raises RequestError.

    `network` is one that Python has in memory already, in place of a file or a name.
    """
    request = invocation.request
    runtime.limit_threads(request.machine.threads)
    runtime.join(cluster_of(request.strategy))
    data = load_dataset(request.dataset, request.machine.data_dir)
    check_input_shape(data.input_shape)
    check_shift(request.config.shift, data.input_shape)
    given = Path(request.model) if network is None and names_model(request.model) else network
    own = None
    if given is not None:
        precision = request.config.precision
        own = own_network(given, "--model", data.input_shape, data.classes, precision)
        architecture, pooling = OWN_ARCHITECTURE, "none"
    else:
        architecture = request.model
        pooling = model_pooling(architecture, data.input_shape, request.pooling)
    name = teacher_file(data.name, stem(Path(request.model)), request.config.seed)
    path = output_path(request.output.output, name, names_of_teacher(invocation, data))
    return TeacherPlan(invocation, path, data, architecture, pooling, own)


def holdout_for(request: TrainRequest, kept: Request | None) -> Holdout:
    """Say which images are used and which of them held out, as the unfinished run has it."""
    config, drawing = request.config, FIRST
    if request.limit is not None and (kept is None or DRAWN in kept):
        drawing = EVENLY
    return Holdout(config.seed, config.validation_fraction, request.limit, drawing)


def names_of_teacher(invocation: Invocation[TrainRequest], data: Dataset) -> dict[str, Any]:
    """Give what may stand in braces in a file's name: the options, as far as they are known."""
    model = Path(invocation.request.model)
    return {**invocation.values, "dataset": data.name, "model": model}
