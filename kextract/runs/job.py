"""A run from its request to its checkpoint, the same for teachers and students.

Three acts: `prepare_teacher` or `prepare_student` refuse what cannot be and need no TensorFlow;
`Plan.build` makes the networks; `run_job` locks the output, keeps, shows and publishes.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kextract.config.resolve import Invocation
from kextract.config.shared import Output
from kextract.datasets.dataset import Dataset
from kextract.display import Display, RunHeader
from kextract.errors import WorkerError
from kextract.records import EpochRecord, Event, Note, Snapshot
from kextract.replicas import Cluster, cluster_of
from kextract.runs.fitting import trials_told_to
from kextract.runs.listeners import with_listeners
from kextract.runs.resume_store import earlier_run, reserved
from kextract.storage import CheckpointInfo, write_checkpoint
from kextract.storage.resume import Request, resume_path
from kextract.text import one_line

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Work:
    """A run that is ready to begin."""

    header: RunHeader
    model: "keras.Model"
    """What is trained, in place."""
    request: Request
    """All that the result depends on, by flag."""
    events: Callable[[Snapshot | None], Iterator[Event]]
    """Trains, from the start or from a snapshot, and yields what happens."""
    describe: Callable[[tuple[EpochRecord, ...]], CheckpointInfo]
    """Measures the trained model on the test images, once, and says what there is to know."""
    notes: tuple[str, ...] = ()
    """What is worth a line before the first epoch."""
    doubts: tuple[str, ...] = ()
    """What may make the run worthless: said before anything else, and once more at the end."""
    last_words: Callable[[tuple[EpochRecord, ...]], Iterable[str]] = field(
        default=lambda history: ()
    )
    """Says what is worth a line after the last epoch."""


class Plan(Protocol):
    """A run in which nothing is left to refuse without TensorFlow."""

    @property
    def output(self) -> Path:
        """The checkpoint to write."""

    @property
    def command(self) -> str:
        """The command that makes this run."""

    @property
    def title(self) -> str:
        """What is trained, in a few words."""

    @property
    def invocation(self) -> Invocation[Any]:
        """All that was asked for, by option."""

    @property
    def names(self) -> Mapping[str, Any]:
        """What may stand in braces in the name of a file."""

    @property
    def ledger(self) -> Path | None:
        """Where the answers of a teacher are kept that is asked under a budget."""

    def check_output(self, *, replace: bool) -> None:
        """Refuse to write over files beside the output, unless to `replace` them."""

    def build(self, kept: Request | None = None) -> Work:
        """Start TensorFlow and make everything that the run needs.

        `kept` is what the unfinished run was asked for that is to be continued.
        """


def run_job(plan: Plan, place: Output, display: Display) -> None:
    """Run a plan: every finished epoch is kept, and a checkpoint is written in the end.

    With `place.resume`, an unfinished run is continued; with `place.skip_existing` too, where there
    is one, and a finished one is left alone.
    """
    path = plan.output
    cluster = cluster_of(plan.invocation.request.strategy)
    resume = place.resume or (place.skip_existing and os.path.lexists(resume_path(path)))
    if cluster is not None and not cluster.is_chief:
        _assist(plan, place, cluster, resume=resume)
        return
    if place.skip_existing and os.path.lexists(path):
        with display:
            display.note(f"'{path}' is there already: skipped")
            display.finish((), {"checkpoint": str(path)})
        return
    with reserved(
        path,
        resume=resume,
        overwrite=place.overwrite,
        command=plan.command,
        ledger=plan.ledger,
    ) as store:
        plan.check_output(replace=place.overwrite or resume)
        display = with_listeners(display, place, plan.names, resume=resume)
        if cluster is not None:
            display.note(f"chief of {len(cluster.workers)} workers, with {_listed(cluster)}")
        with trials_told_to(display.note):
            work = plan.build(store.earlier_request)
        earlier = store.begin(work.request, work.header.epochs)
        check_workers(plan, work, earlier)
        with display:
            for text in work.doubts:
                display.note(text)
            display.start(work.header)
            for text in work.notes:
                display.note(text)
            history = follow(display, work.events(earlier), keep=store.keep, resume=earlier)
            for text in (*work.last_words(history), *work.doubts):
                display.note(text)
            info = work.describe(history)
            write_checkpoint(path, work.model, info, overwrite=place.overwrite or resume)
            store.end(extendable=place.extendable)
            display.finish(history, outcome(path, info.test))


def _assist(plan: Plan, place: Output, cluster: Cluster, *, resume: bool) -> None:
    """Compute along with the chief of several workers, who alone shows the run and writes files.

    An unfinished run is read from the chief's file.
    """
    if place.skip_existing and os.path.lexists(plan.output):
        return
    text = f"worker {cluster.index} of {len(cluster.workers)}, with {_listed(cluster)}"
    print(text, file=sys.stderr, flush=True)
    try:
        kept = earlier_run(plan.output, resume=resume, overwrite=place.overwrite)
        work = plan.build(kept.request if kept else None)
        earlier = kept.snapshot if kept else None
        check_workers(plan, work, earlier)
        for _ in work.events(earlier):
            pass
    except WorkerError as error:
        raise WorkerError(f"{error}; the chief keeps the finished epochs") from error


def check_workers(plan: Plan, work: Work, earlier: Snapshot | None = None) -> None:
    """Raise RequestError unless all workers do the same, from the same epoch on."""
    strategy = plan.invocation.request.strategy
    if cluster_of(strategy) is None:
        return
    from kextract import runtime
    from kextract.training.updating import check_alike

    begun = earlier.history[-1].epoch if earlier else 0
    text = json.dumps([*sorted(work.request.items()), begun])
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])
    check_alike(runtime.strategy(strategy), digest)


def _listed(cluster: Cluster) -> str:
    return ", ".join(map(one_line, cluster.others))


def follow(
    display: Display,
    events: Iterable[Event],
    *,
    keep: Callable[[Snapshot], None],
    resume: Snapshot | None,
) -> tuple[EpochRecord, ...]:
    """Show every event of a loop as it comes and return the epoch records.

    Snapshots are kept and not shown. The records of a resumed run come first.
    """
    history = list(resume.history) if resume else []
    for record in history:
        display.show(record)
    for event in events:
        match event:
            case Snapshot():
                keep(event)
                continue
            case Note():
                display.note(event.text)
                continue
            case EpochRecord():
                history.append(event)
        display.show(event)
    return tuple(history)


def final_scores(
    model: "keras.Model", data: Dataset | None, teacher: "keras.Model | None" = None
) -> dict[str, float]:
    """Measure a finished model on the test images, which nothing else has seen; nothing without."""
    from kextract.training.evaluation import Predictor, score

    if data is None or data.x_test is None or data.y_test is None:
        return {}
    predictor = Predictor(model)
    scores = score(
        predictor.logits(data.x_test),
        data.y_test,
        penalty=predictor.penalty(),
        teacher=Predictor(teacher).logits(data.x_test) if teacher is not None else None,
    )
    return {name: value for name, value in asdict(scores).items() if value is not None}


def outcome(path: Path, test: Mapping[str, float]) -> dict[str, Any]:
    """Say where a finished model is and how good it is on the test images."""
    shown = ("loss", "accuracy", "agreement")
    return {
        "checkpoint": str(path),
        **{f"test_{name}": test[name] for name in shown if name in test},
    }
