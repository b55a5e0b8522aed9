"""A training from its request to its checkpoint: of teachers and students, typed and in Python.

`TeacherRun` and `StudentRun` are made of a request and refuse whatever can be refused without
TensorFlow; `build` makes the networks, `train` yields what happens. In Python a run goes on while
it is iterated over; `carry_out` locks the output, keeps, shows and publishes.
"""

import hashlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from kextract import runtime
from kextract.config.option import as_path
from kextract.config.resolve import Invocation, program, settings_of_checkpoint
from kextract.config.shared import Output
from kextract.display import Display, RunHeader
from kextract.display.base import Tee
from kextract.display.files import MetricsFile, TensorBoard
from kextract.errors import WorkerError
from kextract.models.axes import Shape
from kextract.records import EpochRecord, Event, Note, Snapshot, column
from kextract.replicas import Cluster, cluster_of
from kextract.reports.verdict import Sizes, outcome, said, verdict
from kextract.runs.loaded import OwnNetwork, own_network
from kextract.runs.opening import Teacher
from kextract.runs.outputs import fill
from kextract.runs.plan import Plan
from kextract.runs.resume_store import earlier_run, reserved
from kextract.storage import CheckpointInfo, check_place, write_checkpoint
from kextract.storage.info import OWN_ARCHITECTURE
from kextract.storage.opening import names_model
from kextract.storage.resume import Request, resume_path
from kextract.text import one_line, words

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from kextract import reports

T = TypeVar("T")
Say = Callable[[str], object]


class Run(ABC):
    """A training that goes on while it is iterated over, and ends at the latest when asked for.

    Iterating yields what happens as it happens: `Progress` after every update, an `EpochRecord`
    after every epoch (0 is the untrained network) and a `Note` where something is worth a line.
    Nothing is printed or written. What makes a run fail is raised again whenever its result is
    asked for; one that was interrupted ends where it was.
    """

    invocation: Invocation[Any]
    """All that was asked for, by option."""
    output: Path
    """The checkpoint to write."""
    title: str
    """What is trained, in a few words."""
    names: Mapping[str, Any]
    """What may stand in braces in the name of a file."""
    ledger: Path | None = None
    """Where the responses of a teacher are kept that is asked under a budget."""

    columns: tuple[str, ...]
    """Those of the table that were requested; none where it is as usual."""
    header: RunHeader
    """This and what follows is there when the run is built."""
    plan: Plan
    """What it will take, which is the first of the notes too."""
    network: "keras.Model"
    """What is trained, in place."""
    own: OwnNetwork | None = None
    """Where that is a network of the user's: what was given; else it is made by `make`."""
    architecture = OWN_ARCHITECTURE
    """Its name, where it is one of the registry, and its pooling."""
    pooling = "none"
    sizes: Sizes
    """What it costs, and what its teacher does."""
    request: Request
    """All that the result depends on, by flag."""
    notes: tuple[str, ...] = ()
    """What is worth a line before the first epoch."""
    doubts: tuple[str, ...] = ()
    """What may make the run worthless: said before anything else, and once more at the end."""

    def __init__(self, invocation: Invocation[Any]) -> None:
        self.invocation = invocation
        self.columns = requested_columns(invocation.request.columns)
        self._history: list[EpochRecord] = []
        self._events: Iterator[Event] | None = None
        self._info: CheckpointInfo | None = None
        self._plain: keras.Model | None = None
        self._failure: Exception | None = None
        self._ended = ""
        self._numbers = Random(invocation.request.config.seed)
        self._display: Display | None = None

    def shown_by(self, display: Display | None) -> Self:
        """Let a display follow the run while it is iterated over, or its result asked for."""
        self._display = display
        return self

    def take(
        self, given: "keras.Model | None", named: str | None, flag: str, shape: Shape, classes: int
    ) -> bool:
        """Take the network to train that the user gave, in memory or as a file, if there is one.

        It is for images of this shape and so many classes. Raises RequestError, by `flag`.
        """
        where: Path | keras.Model | None = given
        if given is None and named is not None and names_model(named):
            where = Path(named)
        if where is not None:
            precision = self.invocation.request.config.precision
            self.own = own_network(where, flag, shape, classes, precision)
        return where is not None

    def make(
        self, own: "keras.Model | None", shape: Shape, classes: int, **about: Any
    ) -> "keras.Model":
        """Make the network to train: `own`, or a new one of the architecture."""
        from kextract.models.architectures import build_model
        from kextract.models.blocks import safe_to_train

        if own is None:
            own = build_model(self.architecture, shape, classes, pooling=self.pooling, **about)
        return safe_to_train(own)

    def fastest(self, precision: str) -> str:
        """Say in which precision the network to train is fastest, where that is `auto`."""
        from kextract.models.architectures import fastest_precision

        listed = self.architecture != OWN_ARCHITECTURE
        return fastest_precision(precision, self.architecture if listed else None)

    @abstractmethod
    def build(self, kept: Request | None = None, say: Say = lambda text: None) -> None:
        """Start TensorFlow and make everything that the run needs.

        `kept` is what the unfinished run was asked for that is to be continued; `say` is given what
        is worth a line on the way.
        """

    @abstractmethod
    def train(self, earlier: Snapshot | None) -> Iterator[Event]:
        """Train, from the start or from a snapshot, and yield what happens."""

    @abstractmethod
    def describe(self, history: tuple[EpochRecord, ...]) -> CheckpointInfo:
        """Measure the trained network on the test images and say what there is to know."""

    def last_words(self, last: EpochRecord) -> Iterable[str]:
        """Say what is worth a line after the last epoch."""
        del last
        return ()

    def epoch_seconds(self, first: EpochRecord) -> float:
        """Return what an epoch takes, by what the first one took."""
        return first.seconds

    def check_beside(self) -> None:  # noqa: B027 - a teacher has none
        """Refuse to replace files beside the output."""

    def __repr__(self) -> str:
        """Say what is taught by what, how far that is, and how good the last epoch was."""
        parts = [self.title, self._place()]
        if self._history:
            last = self._history[-1]
            metrics = {"accuracy": last.accuracy, "agreement": last.agreement}
            metrics["unseen agreement"] = last.details.get("unseen_agreement")
            parts += [f"{name} {v:.3f}" for name, v in metrics.items() if v is not None]
        return f"<kextract run: {', '.join(parts)}>"

    def __iter__(self) -> Iterator[Event]:
        """Continue the training; what was yielded before is not yielded again."""
        while (event := self._next()) is not None:
            if not isinstance(event, Snapshot):
                yield event

    @property
    def model(self) -> "keras.Model":
        """The trained network: float32 images (n, h, w, c) in [-1, 1] to logits (n, k)."""
        self._finish()
        return self.network

    @property
    def student(self) -> "keras.Model":
        """A copy of `model` in Keras's own layers and float32, for any use outside of kextract."""
        if self._plain is None:
            model = self.model
            with runtime.as_guest(self._numbers):
                from kextract.models.cloning import plain

                self._plain = plain(model)
        return self._plain

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        """What was measured after each epoch, from epoch 0 on."""
        self._finish()
        return tuple(self._history)

    @property
    def info(self) -> CheckpointInfo:
        """All that a checkpoint says, `info.test` with the metrics on the test images included."""
        history = self.history
        if self._info is None:
            with runtime.as_guest(self._numbers):
                self._info = self.describe(history)
        return self._info

    @property
    def verdict(self) -> str:
        """How good the trained network is, how far to trust that, and what to do next."""
        return str(verdict(self.info, self.sizes))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a checkpoint (.weights.h5), whole or not at all.

        Raises RequestError for a file that exists, and for a network that no checkpoint can hold;
        StorageError where it cannot be written.
        """
        place = as_path(path)
        check_place(place, overwrite)
        info = self.info
        with runtime.as_guest(self._numbers):
            write_checkpoint(place, self.model, info, overwrite=overwrite)

    def plot(self) -> "Figure":
        """Draw loss and accuracy by epoch, as a figure of matplotlib.

        Raises RequestError where no epoch was validated, and without the extra `plots`.
        """
        from kextract.reports import single
        from kextract.reports.plots import curves

        return curves(single([self._finished()]))

    def report(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a page about the run (.html), whole or not at all.

        Raises RequestError for another ending and for a file that exists.
        """
        from kextract.reports.page import Entry, report_page
        from kextract.runs.reporting import check_page, write_page

        place = as_path(path)
        check_page(place, overwrite)
        entry = Entry(
            self._finished(),
            self.info,
            configuration=settings_of_checkpoint(self.info),
            multiply_adds=self.sizes.own.multiply_adds,
            verdict=self.verdict,
        )
        write_page(place, report_page([entry]), overwrite)

    def _finished(self) -> "reports.Run":
        from kextract import reports

        return reports.Run.of("", self.info, self.sizes.own.parameters)

    def events(self, earlier: Snapshot | None = None) -> Iterator[Event]:
        """Train what was built: notes, the records of an `earlier` part, and what happens."""
        yield from map(Note, self.notes)
        self._history = list(earlier.history) if earlier else []
        yield from tuple(self._history)
        for event in self.train(earlier):
            if isinstance(event, EpochRecord):
                self._history.append(event)
            yield event
            if isinstance(event, EpochRecord) and event.epoch == 1:
                spent = sum(record.seconds for record in self._history)
                left = (self.plan.epochs - 1) * self.epoch_seconds(event)
                yield from map(Note, self.plan.corrected(spent, left))
        yield from map(Note, self.last_words(self._history[-1]))

    def carry_out(self, display: Display) -> None:
        """Keep and show every epoch, and write the checkpoint in the end.

        With `--resume`, an unfinished run is continued; with `--skip-existing` too, where there is
        one, and a finished one is left alone.
        """
        place: Output = self.invocation.request.output
        cluster = cluster_of(self.invocation.request.strategy)
        kept = place.skip_existing and os.path.lexists(resume_path(self.output))
        skipped = place.skip_existing and os.path.lexists(self.output)
        resume = place.resume or kept
        if cluster is not None and not cluster.is_chief:
            if not skipped:
                self._assist(cluster, resume=resume, overwrite=place.overwrite)
            return
        if skipped:
            with display:
                display.note(f"'{self.output}' is there already: skipped")
                display.finish((), {"checkpoint": str(self.output)})
            return
        replaced = place.overwrite or resume
        with reserved(
            self.output,
            resume=resume,
            overwrite=place.overwrite,
            command=self.invocation.command_line(program()),
            ledger=self.ledger,
        ) as store:
            if not replaced:
                self.check_beside()
            display = self._with_files(display, place, resume=resume)
            if cluster is not None:
                display.note(f"chief of {len(cluster.workers)} workers, with {_listed(cluster)}")
            display.busy("starting TensorFlow ...")
            runtime.start()
            display.busy(f"making what is needed for {self.title} ...")
            self.build(store.earlier_request, display.note)
            earlier = store.begin(self.request, self.header.epochs)
            self._check_workers(earlier)
            with display:
                for text in self.doubts:
                    display.note(text)
                display.start(self.header)
                for event in self.events(earlier):
                    if isinstance(event, Snapshot):
                        store.keep(event)
                    else:
                        display.show(event)
                for text in self.doubts:
                    display.note(text)
                info = self.describe(tuple(self._history))
                write_checkpoint(self.output, self.network, info, overwrite=replaced)
                store.end(extendable=place.extendable)
                teacher = str(self.names.get("teacher", "TEACHER"))
                judged = verdict(info, self.sizes, str(self.output), teacher)
                display.finish(self._history, outcome(self.output, info.test, judged))

    def _with_files(self, display: Display, place: Output, *, resume: bool) -> Display:
        """Add the files that listen. Raises RequestError where one of them cannot."""
        listeners: list[Display] = []
        about = {"overwrite": place.overwrite, "resume": resume}
        if place.metrics is not None:
            path = fill(str(place.metrics), self.names, "--metrics")
            listeners.append(MetricsFile(path, **about))
        if place.tensorboard is not None:
            folder = fill(str(place.tensorboard), self.names, "--tensorboard")
            listeners.append(TensorBoard(folder, **about))
        return Tee(display, *listeners) if listeners else display

    def _assist(self, cluster: Cluster, *, resume: bool, overwrite: bool) -> None:
        """Compute along with the chief of several workers, who alone shows the run and writes.

        An unfinished run is read from the chief's file.
        """
        text = f"worker {cluster.index} of {len(cluster.workers)}, with {_listed(cluster)}"
        print(text, file=sys.stderr, flush=True)
        try:
            kept = earlier_run(self.output, resume=resume, overwrite=overwrite)
            self.build(kept.request if kept else None)
            earlier = kept.snapshot if kept else None
            self._check_workers(earlier)
            for _ in self.events(earlier):
                pass
        except WorkerError as error:
            raise WorkerError(f"{error}; the chief keeps the finished epochs") from error

    def _check_workers(self, earlier: Snapshot | None = None) -> None:
        """Raise RequestError unless all workers do the same, from the same epoch on."""
        strategy = self.invocation.request.strategy
        if cluster_of(strategy) is None:
            return
        from kextract.training.updating import check_alike

        begun = earlier.history[-1].epoch if earlier else 0
        text = json.dumps([*sorted(self.request.items()), begun])
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])
        check_alike(runtime.strategy(strategy), digest)

    def _next(self) -> Event | None:
        if self._failure is not None:
            raise self._failure
        try:
            with runtime.as_guest(self._numbers):
                if self._events is None:
                    self.build()
                    self._check_workers()
                    self._events = self.events()
                    if self._display is not None:
                        self._display.start(self.header)
                event = next(self._events, None)
        except Exception as error:
            self._failure, self._ended = error, "failed"
            self._stop_showing()
            raise
        except BaseException:
            self._stop_showing()
            # What has begun cannot be continued in the middle of an update.
            self._ended = "interrupted" if self._events is not None else ""
            raise
        if event is None:
            self._ended = self._ended or "finished"
        self._show(event)
        return event

    def _show(self, event: Event | None) -> None:
        """Show what happened; None is the end, and there is only one."""
        display = self._display
        if display is None:
            return
        if event is not None:
            display.show(event)
            return
        self._display = None
        display.finish(self._history, said(verdict(self.info, self.sizes)))

    def _stop_showing(self) -> None:
        if self._display is not None:
            self._display.close()

    def _finish(self) -> None:
        for _ in self:
            pass

    def _place(self) -> str:
        if self._events is None:
            return self._ended or "not begun"
        done = self._history[-1].epoch if self._history else 0
        place = f"epoch {done} of {self.header.epochs}"
        return f"{self._ended} at {place}" if self._ended else place


class Work(ABC, Generic[T]):
    """What is done with a teacher and has a result, such as images that are synthesized from it.

    Made of an invocation, as a `Run` is, and refuses what can be refused without TensorFlow.
    """

    teacher: Teacher

    @property
    @abstractmethod
    def header(self) -> RunHeader:
        """What a display says of it when it has begun."""

    @abstractmethod
    def events(self) -> Generator[Event, None, T]:
        """Do it: yield what happens, and return the result."""

    def result(self, see: Callable[[Event], object] = lambda event: None) -> T:
        """Do it and return the result; `see` is given what happens on the way."""
        return _followed(self.events(), see)

    def shown(self, display: Display) -> T:
        """Do it, show it, and return the result.

        What may make all of it worthless is said before anything else, and once more at the end.
        """
        events = self.events()
        for text in self.teacher.doubts:
            display.note(text)
        display.start(self.header)
        for text in self.teacher.notes:
            display.note(text)
        result = _followed(events, display.show)
        for text in self.teacher.doubts:
            display.note(text)
        return result


def _followed(events: Generator[Event, None, T], see: Callable[[Event], object]) -> T:
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            result: T = end.value
            return result
        see(event)


def requested_columns(text: str | None) -> tuple[str, ...]:
    """Take the list of `--columns` apart. Raises UnknownNameError."""
    names = words(text)
    for name in names:
        column(name, "column (--columns)")
    return names


def _listed(cluster: Cluster) -> str:
    return ", ".join(map(one_line, cluster.others))
