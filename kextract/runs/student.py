"""One distillation, from its request to what is ready to begin."""

import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.config import DistillConfig, Holdout
from kextract.config.requests import DistillRequest
from kextract.config.resolve import OPTIONS, OUTPUTS, Invocation
from kextract.datasets.images import Images
from kextract.display import RunHeader
from kextract.methods import method_spec, method_specs
from kextract.methods.registry import shown_columns
from kextract.models import model_spec
from kextract.records import EpochRecord, Event, Snapshot
from kextract.replicas import cluster_of
from kextract.runs.fitting import continued, fitted
from kextract.runs.invoke import CHOSEN
from kextract.runs.job import Work, final_scores
from kextract.runs.loaded import LoadedTeacher, kept_in, load_teacher
from kextract.runs.opening import Teacher
from kextract.runs.outputs import ledger_file
from kextract.runs.own_network import OwnNetwork
from kextract.runs.parts import too_few_to_judge
from kextract.runs.pictures import check_pictures, with_pictures
from kextract.runs.resume_store import comparable, images_sha256
from kextract.runs.transfer_images import TransferImages, transfer_images_sha256
from kextract.storage import CheckpointInfo
from kextract.storage.info import OWN_ARCHITECTURE
from kextract.storage.resume import Request
from kextract.text import counted

if TYPE_CHECKING:
    import keras

    from kextract.methods.base import Method

COLLAPSED = (
    "the generator collapsed in the last epoch (its images look alike or are given one class): what"
    " the student learned before stays; try another --seed or a lower --generator-learning-rate"
)


@dataclass(frozen=True)
class StudentPlan:
    """A distillation of which nothing is left to refuse without TensorFlow."""

    invocation: Invocation[DistillRequest]
    output: Path
    teacher: Teacher
    architecture: str
    """The student's name in the registry, or `OWN_ARCHITECTURE`."""
    pooling: str
    holdout: Holdout
    validation: Images | None
    images: TransferImages
    names: Mapping[str, Any]
    """What may stand in braces in the name of a file."""
    own: OwnNetwork | None = None
    """A student whose architecture is not in the registry."""
    share: float | None = None
    """The student begins as the teacher, with that share of its parameters."""
    about_images: tuple[str, ...] = ()
    """What is worth a line about the images that it learns from and is measured on."""

    @property
    def command(self) -> str:
        """The command that makes this run."""
        return self.invocation.command_line()

    @property
    def title(self) -> str:
        """What is trained, in a few words."""
        methods = " and ".join(method_specs(self.invocation.request.config))
        return f"student {self._called} of {self.teacher.path.name} by {methods}"

    @property
    def _called(self) -> str:
        return self.invocation.request.student or self.architecture

    @property
    def ledger(self) -> Path | None:
        """Where questions are kept; None for a method that needs no such thing."""
        request = self.invocation.request
        if not method_spec(request.config.method).asks:
            return None
        return request.ledger or ledger_file(self.output)

    def check_output(self, *, replace: bool) -> None:
        """Refuse, before the work begins, to replace the pictures of an earlier run."""
        if not replace:
            request = self.invocation.request
            check_pictures(self.output, request.save_images, request.config.epochs)

    def build(self, kept: Request | None = None) -> Work:
        """Make the teacher, the student and the source of its images."""
        began = time.perf_counter()
        runtime.start()
        import keras

        from kextract.methods.base import MethodContext
        from kextract.methods.making import make_method
        from kextract.models.batch_norm import frozen
        from kextract.models.batches import at_once
        from kextract.models.build import fastest_precision
        from kextract.models.low_rank import smaller
        from kextract.training.alike import check_tells_apart
        from kextract.training.matching import matching_for
        from kextract.training.probe_set import ProbeSet
        from kextract.training.student import distill

        request, info, validation = self.invocation.request, self.teacher.info, self.validation
        teach = partial(distill, strategy=runtime.strategy(request.strategy))
        asked = request.config
        config = replace(
            asked,
            precision=runtime.resolve_precision(asked.precision),
            flip=info.flip if asked.flip is None else asked.flip,
        )
        # The student's own; the teacher and a generator are not kept from theirs by it.
        registered = None if self.architecture == OWN_ARCHITECTURE else self.architecture
        precision = fastest_precision(asked.precision, registered)
        teacher = load_teacher(
            self.teacher,
            config,
            validation,
            ledger=self.ledger,
            access=request.answering.access,
        )
        if self.teacher.input_range is not None and validation is None and teacher.classifier:
            taken = str(self.teacher.input_range)
            size = at_once(teacher.network, 16, all_held=True)
            check_tells_apart(
                teacher.classifier, self.teacher.path, info.input_shape, taken, size=size
            )
        ledger = teacher.asking.ledger if teacher.asking else None
        own = self.own.network if self.own else None
        if self.share is not None:
            own = smaller(teacher.network, self.share)
        unseen = None
        if validation is None and teacher.classifier is not None:
            size = at_once(teacher.network, 64, all_held=True)
            unseen = ProbeSet(teacher.classifier, info.input_shape, size=size)

        def source_for(student: "keras.Model", config: DistillConfig) -> "Method":
            context = MethodContext(
                teacher.classifier, teacher.network, student, config, self.images, teacher.asking
            )
            return make_method(context)

        def trial(config: DistillConfig) -> Iterator[Event]:
            copy = None if own is None else keras.models.clone_model(own)
            student = self._student(copy, config, precision)
            return teach(
                teacher.classifier,
                student,
                source_for(student, config),
                config,
                validation,
                teacher.validation_logits,
                match=matching_for(config.match, teacher.folded, student),
            )

        if config.minutes is not None and kept is not None:
            config = continued(config, kept)
        elif config.minutes is not None:
            config = fitted(config, config.minutes, began, trial, info.input_shape)
        student = self._student(own, config, precision)
        match = matching_for(config.match, teacher.folded, student)
        config = replace(config, match=match.name if match else "logits")
        source = source_for(student, config)

        def events(earlier: Snapshot | None) -> Iterator[Event]:
            running = teach(
                teacher.classifier,
                student,
                source,
                config,
                validation,
                teacher.validation_logits,
                match=match,
                unseen=unseen,
                begins_as_teacher=None if own is None else self.share is not None,
                resume=earlier,
                snapshots=True,
            )
            every = request.save_images or (1 if request.output.tensorboard else 0)
            beside = self.output if request.save_images else None
            cluster = cluster_of(request.strategy)
            if every and (cluster is None or cluster.is_chief):
                # Pictures are no reason to ask: without a teacher at hand the student says more.
                judge = teacher.classifier or frozen(student, batch_statistics=False)
                running = with_pictures(running, source, judge, beside, every)
            if self.own is not None:
                running = self.own.following(running)
            with ledger or nullcontext():
                yield from running

        def describe(history: tuple[EpochRecord, ...]) -> CheckpointInfo:
            return replace(
                info,
                kind="student",
                model=self.architecture,
                pooling=self.pooling,
                seed=config.seed,
                precision=precision,
                config=self._stored_config(config)
                | ({"ledger": ledger.summary()} if ledger else {}),
                history=history,
                teacher=self.teacher.path.name,
                teacher_sha256=teacher.sha256,
                test=final_scores(student, self.teacher.data, teacher.network),
            )

        missing = f"no images to measure on, running without: {self.teacher.missing}"
        notes: list[str | None] = [*self.teacher.notes, *self.about_images]
        notes += [*too_few_to_judge(validation), self._choice()]
        notes += [None if self.teacher.data else missing, teacher.doubt]
        return Work(
            header=self._header(config, precision),
            model=student,
            request=self._compared(config, teacher),
            events=events,
            describe=describe,
            notes=tuple(note for note in notes if note),
            doubts=self.teacher.doubts,
            last_words=lambda history: [
                *([COLLAPSED] if "collapsed" in history[-1].details else []),
                *([kept_in(ledger)] if ledger else []),
            ],
        )

    def _choice(self) -> str | None:
        """Say which method was chosen, and why, where it was not requested."""
        origin = self.invocation.origins.get("method", "")
        if not origin.startswith(CHOSEN):
            return None
        name = self.invocation.request.config.method
        return f"method {name}: {origin.removeprefix(CHOSEN)} (--method requests another one)"

    def _student(
        self, own: "keras.Model | None", config: DistillConfig, precision: str
    ) -> "keras.Model":
        from kextract.models.build import build_model, student_seed
        from kextract.models.tf_workarounds import safe_to_train

        return safe_to_train(
            own
            or build_model(
                self.architecture,
                self.teacher.info.input_shape,
                self.teacher.info.classes,
                pooling=self.pooling,
                precision=precision,
                seed=student_seed(config.seed),
            )
        )

    def _stored_config(self, config: DistillConfig) -> dict[str, Any]:
        request = self.invocation.request
        return {
            **asdict(config),
            "images": request.images,
            "images_used": {name: len(given) for name, given in self.images.items()},
            OUTPUTS: self.teacher.outputs,
            "holdout": asdict(self.holdout),
            "command": self.command,
            OPTIONS: self.invocation.settings(
                student=self._called,
                pooling=self.pooling if model_has_pooling(self.architecture) else None,
                flip=config.flip,
                match=config.match,
                epochs=config.epochs,
                steps_per_epoch=config.steps_per_epoch,
                minutes=None,
                input_range=request.external.input_range or self._taken(),
            ),
        }

    def _taken(self) -> str | None:
        """Say which pixels a teacher of another program is given, for whoever comes after it."""
        taken = self.teacher.input_range
        return None if taken is None else str(taken)

    def _compared(self, config: DistillConfig, teacher: LoadedTeacher) -> dict[str, Any]:
        """Name all that the result depends on, by flag."""
        data = self.teacher.data
        return {
            "--student": self.architecture if self.share is None else self._called,
            "--pooling": self.pooling,
            "--dataset": data.name if data and self.validation else None,
            **comparable(config),
            "--synthesis-batch-size": generator_batch(config, teacher),
            **({"--epochs": config.epochs} if config.minutes is not None else {}),
            "--input-range": self.invocation.request.external.input_range,
            "--outputs": self.invocation.request.external.outputs,
            "--output-name": self.invocation.request.external.output_name,
            "--access": self.invocation.request.answering.access,
            "teacher with SHA-256": teacher.sha256,
            **({"teacher": teacher.asking.ledger.heading.teacher} if teacher.asking else {}),
            "images with SHA-256": images_sha256(self.validation),
            "transfer images with SHA-256": transfer_images_sha256(self.images),
        }

    def _header(self, config: DistillConfig, precision: str) -> RunHeader:
        specs = method_specs(config)
        return RunHeader(
            title=self.title,
            subtitle=f"{config.recipe} recipe, {config.match} matched,"
            f" {counted(config.epochs, 'epoch')} of {counted(config.steps_per_epoch, 'update')} of"
            f" {counted(config.batch_size, 'image')}, {precision}, seed {config.seed}",
            epochs=config.epochs,
            columns=shown_columns(specs, measured=self.validation is not None),
            command=self.command,
        )


def generator_batch(config: DistillConfig, teacher: LoadedTeacher) -> int:
    """Return the images per step of the generator, which a run keeps as a number.

    Without a generator it is the usual one, as in runs that earlier versions kept.
    """
    from kextract.methods.base import MethodContext
    from kextract.methods.generator import USUAL_IMAGES, batch_size

    if "inversion" not in (config.method, config.mix):
        return config.inversion.synthesis_batch_size or USUAL_IMAGES
    return batch_size(MethodContext(teacher.classifier, teacher.network, None, config))


def model_has_pooling(architecture: str) -> bool:
    """Tell whether the pooling of an architecture can be chosen."""
    return architecture != OWN_ARCHITECTURE and model_spec(architecture).has_pooling
