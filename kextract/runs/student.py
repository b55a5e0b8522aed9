"""One distillation, from its request to its checkpoint."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kextract import runtime
from kextract.config import DistillConfig
from kextract.config.requests import DistillRequest
from kextract.config.resolve import OPTIONS, OUTPUTS, Invocation
from kextract.datasets.images import check_shift, cut, too_few_to_judge
from kextract.datasets.transfer_images import check_is_there
from kextract.display import RunHeader
from kextract.methods import method_spec, method_specs
from kextract.methods.registry import shift_of_questions, shown_columns
from kextract.models import model_pooling, model_spec, share_of_teacher
from kextract.models.cost import Cost
from kextract.models.input_range import PIXELS
from kextract.records import EarlierKept, EpochRecord, Event, Snapshot
from kextract.replicas import cluster_of
from kextract.reports.verdict import Sizes
from kextract.runs.invoke import CHOSEN, check_architecture, check_student, for_black_box
from kextract.runs.loaded import LoadedTeacher, transfer_images, transfer_images_sha256
from kextract.runs.opening import RESTRICTED, Teacher, only_outputs, teacher_of
from kextract.runs.outputs import check_is_new, ledger_file, output_path, student_file
from kextract.runs.plan import (
    Guess,
    Plan,
    check_minutes,
    continued,
    fitted,
    listed_multiply_adds,
    plan_of,
)
from kextract.runs.resume_store import comparable, images_sha256
from kextract.runs.run import Run, Say
from kextract.runs.synthesis import check_pictures, with_pictures
from kextract.storage import CheckpointInfo
from kextract.storage.info import KEPT_EPOCH, OWN_ARCHITECTURE
from kextract.storage.resume import Request
from kextract.text import counted, dimensions

if TYPE_CHECKING:
    import keras

    from kextract.methods.base import Method, MethodContext
    from kextract.training.student import Matching

COLLAPSED = (
    "the generator collapsed in the last epoch (its images look alike or are given one class): what"
    " the student learned before stays; try another --seed or a lower --generator-learning-rate"
)


class StudentRun(Run):
    """A distillation."""

    loaded: LoadedTeacher
    """The teacher, when the run is built."""
    _speed: str | None = None
    """How fast a smaller copy of the teacher is."""

    def __init__(
        self,
        invocation: Invocation[DistillRequest],
        teacher: Teacher | None = None,
        student: "keras.Model | None" = None,
    ) -> None:
        """Refuse whatever can be refused before the work begins. Raises RequestError.

        `teacher` and `student` are those that Python has in memory already, in place of files and
        names. Where no data set can be had, the student is taught all the same and only what needs
        no data is measured.
        """
        super().__init__(invocation)
        began = time.perf_counter()
        request = invocation.request
        runtime.limit_threads(request.machine.threads)
        runtime.join(cluster_of(request.strategy))
        check_is_new(request.output)
        check_student(invocation, student)
        if request.images is not None:
            check_is_there(request.images)
        if teacher is None:
            teacher = teacher_of(invocation)
            if teacher.black_box is not None:
                self.invocation = invocation = for_black_box(invocation)
                request = invocation.request
        self.asked: DistillRequest = request
        self.teacher, self.config = teacher, request.config
        config, info, data = request.config, teacher.info, teacher.data
        if info.model == OWN_ARCHITECTURE:
            check_architecture(teacher.path, request, student)
        check_shift(config.shift, info.input_shape)
        own = self.take(student, request.student, "--student", info.input_shape, info.classes)
        self.share = None if own else share_of_teacher(request.student or "")
        hidden = teacher.black_box is not None or request.answering.access in RESTRICTED
        if self.share is not None and hidden:
            advice = "name an architecture, such as --student lenet5"
            raise only_outputs(f"--student {request.student}", teacher.path, advice)
        if not own and self.share is None:
            self.architecture = request.student or info.model
            self.pooling = _pooling(info, self.architecture, request.external.pooling)
        self.holdout = info.holdout
        measurable = data is not None and data.x_train is not None
        self.validation = cut(data, "validation", self.holdout) if data and measurable else None
        self.images, self.about_images = transfer_images(
            config, request.images, teacher, self.holdout, request.machine.data_dir
        )
        self.called = request.student or self.architecture
        methods = " and ".join(method_specs(config))
        self.title = f"student {self.called} of {teacher.path.name} by {methods}"
        self.names = {
            **invocation.values,
            "teacher": teacher.path,
            "student": self.architecture if request.student is None else Path(request.student),
            "dataset": data.name if data else info.dataset,
        }
        default = student_file(teacher.path, request.student, config)
        self.output = output_path(request.output.output, default, self.names)
        if method_spec(config.method).asks:
            self.ledger = request.ledger or ledger_file(self.output)
        self._opening = time.perf_counter() - began

    def check_beside(self) -> None:
        """Refuse, before the work begins, to replace the pictures of an earlier run."""
        check_pictures(self.output, self.asked.save_images, self.asked.config.epochs)

    def build(self, kept: Request | None = None, say: Say = lambda text: None) -> None:
        """Make the teacher, the student and the source of its images."""
        self._began = time.perf_counter() - self._opening
        self._kept: dict[str, int] = {}
        runtime.start()
        from kextract.methods.canvases import dead_leaves
        from kextract.methods.making import make_method
        from kextract.models.cost import cost_of
        from kextract.models.pruning import IMAGES, pruned
        from kextract.training.student import matching_for

        asked, info = self.asked.config, self.teacher.info
        config = replace(
            asked,
            precision=runtime.resolve_precision(asked.precision),
            flip=info.flip if asked.flip is None else asked.flip,
            shift=asked.shift
            if self.invocation.origins.get("shift") != "method queries"
            else shift_of_questions(info.input_shape),
        )
        # The student's own; the teacher and a generator are not kept from theirs by it.
        self.precision = self.fastest(asked.precision)
        self.loaded = loaded = LoadedTeacher(self.teacher, config)
        own = self.own.network if self.own else None
        cost = cost_of(loaded.whole) if loaded.whole else None
        guess = Guess.of(config, info.input_shape, *self._multiply_adds(cost))
        if config.minutes is not None and kept is None:
            check_minutes(config.minutes, time.perf_counter() - self._began, guess)
            say(str(Plan.of(config, 60 * config.minutes)))
        loaded.examine(self.validation)
        if self.ledger is not None:
            loaded.ask(config.queries, self.ledger, self.asked.answering.access)
        if self.share is not None:
            own = pruned(loaded.folded, self.share, dead_leaves(IMAGES, info.input_shape))
        if config.minutes is not None and kept is not None:
            config = continued(config, kept)
        elif config.minutes is not None:
            check_minutes(config.minutes, time.perf_counter() - self._began, guess)
            config = fitted(
                config,
                config.minutes,
                self._began,
                lambda tried: self._trial(own, tried),
                info.input_shape,
                say,
                measured_last=self._measured_last,
            )
        self.network = self._student(own, config)
        self.sizes = Sizes(cost_of(self.network), cost)
        self.match = matching_for(config.match, loaded.folded, self.network)
        self.config = replace(config, match=self.match.name if self.match else "logits")
        context = self._context(self.network, self.config)
        self.source = make_method(context)
        beside = sum(len(given) * math.prod(info.input_shape) for given in self.images.values())
        beside += self.teacher.data.nbytes if self.teacher.data else 0
        self.plan = plan_of(self.config, guess, self.network, beside, loaded.asking)
        self.request = self._compared(context)
        self.header = self._header()
        self.doubts = self.teacher.doubts
        missing = f"no images to measure on, running without: {self.teacher.missing}"
        notes: list[str | None] = [str(self.plan), *self.teacher.all_notes, *self.about_images]
        if self.share is not None:
            self._speed = self._beside_teacher()
        notes += [*too_few_to_judge(self.validation), self._choice(), self._speed]
        notes += [None if self.teacher.data else missing, loaded.doubt]
        self.notes = tuple(note for note in notes if note)

    def _multiply_adds(self, teacher: Cost | None) -> tuple[int, int]:
        """Say what an image costs teacher and student, as far as that is known already."""
        from kextract.models.cost import cost_of

        asked = teacher.multiply_adds if teacher else 0
        if self.share is not None:
            taught = int(self.share * asked)
        elif self.own is not None:
            taught = cost_of(self.own.network).multiply_adds
        else:
            taught = listed_multiply_adds(self.architecture, self.teacher.info.input_shape) or asked
        return asked, taught

    def _measured_last(self, evaluation: float) -> float:
        """Return the seconds that the test images take in the end, both networks together.

        `evaluation` is what the student's measuring takes after an epoch.
        """
        data, unseen = self.teacher.data, self.loaded.unseen
        count = len(self.validation.x) if self.validation else len(unseen) if unseen else 0
        if data is None or data.x_test is None or not count:
            return 0.0
        return len(data.x_test) / count * (evaluation + self.loaded.seconds)

    def epoch_seconds(self, first: EpochRecord) -> float:
        """Return what an epoch takes, without the images that only the first one makes."""
        measuring = first.details.get("evaluation_seconds", 0.0)
        return self._pace.updates * self._pace.per_update + measuring

    def _context(self, student: "keras.Model", config: DistillConfig) -> "MethodContext":
        from kextract.methods.base import MethodContext

        return MethodContext(
            self.loaded.classifier,
            self.loaded.whole,
            student,
            config,
            self.images,
            self.loaded.asking,
            by_label=self.teacher.by_label,
        )

    def _student(self, own: "keras.Model | None", config: DistillConfig) -> "keras.Model":
        from kextract.models.architectures import student_seed

        shape, classes = self.teacher.info.input_shape, self.teacher.info.classes
        seed = student_seed(config.seed)
        return self.make(own, shape, classes, precision=self.precision, seed=seed)

    def _trial(self, own: "keras.Model | None", config: DistillConfig) -> Iterator[Event]:
        """Teach a student who is thrown away."""
        import keras

        from kextract.methods.making import make_method
        from kextract.training.student import matching_for

        student = self._student(None if own is None else keras.models.clone_model(own), config)
        source = make_method(self._context(student, config))
        return self._teach(
            student, source, config, matching_for(config.match, self.loaded.folded, student)
        )

    def _teach(
        self,
        student: "keras.Model",
        source: "Method",
        config: DistillConfig,
        match: "Matching | None",
        **more: Any,
    ) -> Iterator[Event]:
        from kextract.training.student import distill

        return distill(
            self.loaded.classifier,
            student,
            source,
            config,
            self.validation,
            self.loaded.logits,
            match=match,
            unseen=self.loaded.unseen,
            by_label=self.teacher.by_label,
            strategy=runtime.strategy(self.asked.strategy),
            **more,
        )

    def train(self, earlier: Snapshot | None) -> Iterator[Event]:
        """Teach the student."""
        from kextract.models.batch_norm import frozen
        from kextract.training.pace import Pace

        if earlier is not None:
            self._began = time.perf_counter() - sum(record.seconds for record in earlier.history)
        minutes = self.config.minutes
        self._pace = pace = Pace(
            self.config.steps_per_epoch,
            minutes and 60 * minutes,
            began=self._began,
            measured_last=self._measured_last,
        )
        begins = None if self.own is None and self.share is None else self.share is not None
        running = self._teach(
            self.network,
            self.source,
            self.config,
            self.match,
            begins_as_teacher=begins,
            pace=pace,
            resume=earlier,
            snapshots=True,
        )
        every = self.asked.save_images or (1 if self.asked.output.tensorboard else 0)
        cluster = cluster_of(self.asked.strategy)
        if every and (cluster is None or cluster.is_chief):
            # Pictures are no reason to ask: without a teacher at hand the student says more.
            judge = self.loaded.classifier or frozen(self.network, batch_statistics=False)
            beside = self.output if self.asked.save_images else None
            running = with_pictures(running, self.source, judge, beside, every)
        if self.own is not None:
            running = self.own.following(running)
        with self.loaded.asking.ledger if self.loaded.asking else nullcontext():
            for event in running:
                if isinstance(event, EarlierKept):
                    self._kept = {KEPT_EPOCH: event.epoch}
                yield event

    def last_words(self, last: EpochRecord) -> Iterable[str]:
        """Say that a generator collapsed, and how much was asked."""
        if "collapsed" in last.details:
            yield COLLAPSED
        if self.loaded.asking:
            ledger = self.loaded.asking.ledger
            yield (
                f"{ledger.counts.sent} images were sent to the teacher; its responses are in"
                f" '{ledger.path}'"
            )

    def describe(self, history: tuple[EpochRecord, ...]) -> CheckpointInfo:
        """Measure the student on the test images and say what it was taught by."""
        from kextract.training.evaluation import final_scores

        config, request = self.config, self.asked
        has_pooling = (
            self.architecture != OWN_ARCHITECTURE and model_spec(self.architecture).has_pooling
        )
        # Which pixels a teacher of another program is given, for later commands.
        taken = self.teacher.input_range and str(self.teacher.input_range)
        settings = self.invocation.settings(
            student=self.called,
            pooling=self.pooling if has_pooling else None,
            flip=config.flip,
            **({} if config.shift == request.config.shift else {"shift": config.shift}),
            match=config.match,
            epochs=config.epochs,
            steps_per_epoch=config.steps_per_epoch,
            minutes=None,
            input_range=request.external.input_range or taken,
        )
        return replace(
            self.teacher.info,
            kind="student",
            model=self.architecture,
            pooling=self.pooling,
            seed=config.seed,
            precision=self.precision,
            config={
                **asdict(config),
                "images": request.images,
                "images_used": {name: len(given) for name, given in self.images.items()},
                OUTPUTS: self.teacher.outputs,
                "holdout": asdict(self.holdout),
                "command": self.invocation.command_line(),
                OPTIONS: settings,
                **self._kept,
                **({"ledger": self.loaded.asking.ledger.summary()} if self.loaded.asking else {}),
            },
            history=history,
            teacher=self.teacher.path.name,
            teacher_sha256=self.loaded.sha256,
            test=final_scores(
                self.network, self.teacher.data, self.loaded.whole, by_label=self.teacher.by_label
            ),
        )

    def _beside_teacher(self) -> str:
        """Say how fast a smaller copy of the teacher is."""
        from kextract.exports.exporting import classifier_of, milliseconds

        image = np.zeros((1, *self.teacher.info.input_shape), np.float32)
        both = self.network, self.loaded.folded
        time, whole = (milliseconds(classifier_of(each), image) for each in both)
        return (
            f"{self.called} takes {time:.3g} ms an image here, the teacher {whole:.3g}"
            f" ({100 * time / whole:.0f} %)"
        )

    def _networks(self) -> tuple[str, str]:
        """Say what teacher and student cost, and which pixels the teacher takes."""
        teacher, info = self.sizes.teacher, self.teacher.info
        shape = dimensions(info.input_shape)
        taken, why = self.teacher.input_range, "see below"
        if self.asked.external.input_range:
            why = "--input-range"
        elif taken is None:
            taken, why = PIXELS, "the default" if self.teacher.black_box else "its file says so"
        return (
            f"teacher  {teacher.described() if teacher else 'a black box'}; takes {shape} images,"
            f" pixels {taken} ({why})",
            f"student  {self.sizes.own.described(teacher)}",
        )

    def _choice(self) -> str | None:
        """Say which method was chosen, and why, where it was not requested."""
        origin = self.invocation.origins.get("method", "")
        if not origin.startswith(CHOSEN):
            return None
        name = self.asked.config.method
        return f"method {name}: {origin.removeprefix(CHOSEN)} (--method requests another one)"

    def _compared(self, context: "MethodContext") -> dict[str, Any]:
        """Name all that the result depends on, by flag."""
        from kextract.methods.generator import kept_batch_size

        config, data, external = self.config, self.teacher.data, self.asked.external
        return {
            # Earlier versions counted parameters, and cut kernels instead of channels.
            "--student": self.architecture
            if self.share is None
            else f"{self.called} of the multiply-adds",
            "--pooling": self.pooling,
            "--dataset": data.name if data and self.validation else None,
            **comparable(config),
            "--synthesis-batch-size": kept_batch_size(context),
            **({"--epochs": config.epochs} if config.minutes is not None else {}),
            "--input-range": external.input_range,
            "--outputs": external.outputs,
            "--output-name": external.output_name,
            "--access": self.asked.answering.access,
            "teacher with SHA-256": self.loaded.sha256,
            **(
                {"teacher": self.loaded.asking.ledger.heading.teacher} if self.loaded.asking else {}
            ),
            "images with SHA-256": images_sha256(self.validation),
            "transfer images with SHA-256": transfer_images_sha256(self.images),
        }

    def _header(self) -> RunHeader:
        config = self.config
        shown = partial(
            shown_columns,
            method_specs(config),
            measured=self.validation is not None,
            loss="loss" if config.recipe == "article" else "cross_entropy",
        )
        return RunHeader(
            title=self.title,
            subtitle=f"{config.recipe} recipe, {config.match} matched,"
            f" {counted(config.epochs, 'epoch')} of {counted(config.steps_per_epoch, 'update')} of"
            f" {counted(config.batch_size, 'image')}, {self.precision}, seed {config.seed}",
            networks=self._networks(),
            epochs=config.epochs,
            columns=self.columns or shown(),
            wide=() if self.columns else shown(wide=True),
            command=self.invocation.command_line(),
        )


def _pooling(info: CheckpointInfo, architecture: str, requested: str | None) -> str:
    """Say how a student pools: as requested, or as a teacher of the same architecture does."""
    if architecture == info.model and requested is None:
        return info.pooling
    return model_pooling(architecture, info.input_shape, requested)
