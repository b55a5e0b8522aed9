"""What a run will take on this machine: said before anything long, refused where it cannot fit.

The schedule that fits a number of minutes is measured on a trial of the same run.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from kextract import runtime
from kextract.config import DistillConfig, TeacherConfig
from kextract.config.option import flag
from kextract.config.requests import DistillRequest, TrainRequest
from kextract.config.resolve import Invocation
from kextract.datasets.names import DATASETS
from kextract.errors import RequestError
from kextract.methods.canvases import canvases_for
from kextract.methods.registry import (
    EPOCH_UPDATES,
    LEAST_EPOCHS,
    SHAPES_UPDATES,
    committee_updates,
    cuts_crops,
    fewest_leaves,
    fit_schedule,
    most_leaves,
    most_shapes,
    round_ends,
    too_few,
)
from kextract.models import MODELS, share_of_teacher
from kextract.models.axes import Shape
from kextract.models.cost import feature_bytes
from kextract.records import EpochRecord, Event, Progress
from kextract.storage.resume import Request
from kextract.teachers.ledger import bytes_of
from kextract.text import counted

if TYPE_CHECKING:
    import keras

    from kextract.teachers.asking import BudgetedTeacher

TENSORFLOW = 600 << 20
"""Bytes that a process has with TensorFlow and nothing else."""
HELD_TWICE = 2
"""What is made of a batch, and the gradients of it."""
COPIES = 5
"""Of a student's parameters: its own, their gradients, an optimizer's, a snapshot's."""
EFFICIENCY = 0.7
"""Share of a small matrix product's speed that networks reach: a ResNet 1.0, a MobileNetV2 0.5."""
DRAWN, CUT, PAINTED = 400, 1100, 2_500_000_000
"""Multiply-adds that take as long as a pixel of a random shape, a pixel of a crop, and a canvas of
leaves to cut it out of; measured for images of 28 to 320 pixels, in colour."""
QUESTION_BYTES = 190
"""Of a question in the ledger without its response, at the most."""
CANDIDATES = 4
"""Drawn for each question, unless it is said how many; of shapes there are more."""
FAR = 4.0
"""How far a guess of the time may be off: more is refused before anything is tried."""
NEAR = 0.25
"""How far it may be off after the first epoch without a word."""


@dataclass(frozen=True)
class Plan:
    """What a run will take."""

    epochs: int
    updates: int
    """Per epoch; 0 where they are fitted to minutes."""
    batch_size: int
    seconds: float | None = None
    """None where the networks are not known yet."""
    memory: int = 0
    """Bytes at the highest; 0 where the networks are not known yet."""
    disk: int = 0
    """Bytes of the ledger of questions."""

    @classmethod
    def of_teacher(cls, config: TeacherConfig, images: int, adds: int, memory: int = 0) -> Self:
        """Plan a training with so many images, each of which costs `adds` multiply-adds."""
        updates = -(-images // config.batch_size)
        passes = 3 * config.epochs * updates * config.batch_size
        return cls(config.epochs, updates, config.batch_size, passes * adds / speed(), memory)

    @classmethod
    def of(cls, config: DistillConfig, seconds: float | None, disk: int = 0) -> Self:
        """Plan before networks are built; updates that follow minutes are not known yet."""
        updates = config.steps_per_epoch if config.minutes is None else 0
        return cls(config.epochs, updates, config.batch_size, seconds, disk=disk)

    def __str__(self) -> str:
        """Say it in one line."""
        updates = self.epochs * self.updates
        made = f"{counted(self.epochs, 'epoch')} of {counted(self.updates, 'update')}"
        images = f"{made}, {updates * self.batch_size:,} images"
        parts = [images if updates else f"updates of {counted(self.batch_size, 'image')}"]
        if self.seconds is not None:
            parts.append(f"about {time_text(self.seconds)}")
        if self.memory:
            parts.append(f"{self.memory / 1e9:.1f} GB of memory")
        if self.disk:
            parts.append(f"{max(1, round(self.disk / 1e6)):,} MB of disk for the ledger")
        return f"plan: {', '.join(parts)}"

    def corrected(self, spent: float, left: float) -> tuple[str, ...]:
        """Say in a line how many seconds are left after the first epoch, where that is news."""
        if self.seconds is None or abs(spent + left - self.seconds) <= NEAR * self.seconds:
            return ()
        return (f"plan: about {time_text(left)} left, by the first epoch",)


def time_text(seconds: float) -> str:
    """Write a time in seconds, minutes or hours, as exactly as plans are."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{int(seconds < 10 * size)}f} {unit}"
    return counted(max(1, round(seconds)), "second")


@cache
def speed() -> float:
    """Measure the multiply-adds per second of this machine's processors, in some milliseconds.

    By processor time, so that what others compute at the moment is not counted; of products too
    small to be shared by threads.
    """
    count, side = 128, 64
    matrices = np.ones((count, side, side), np.float32)
    times = []
    for _ in range(4):
        began = time.process_time()
        matrices @ matrices
        times.append(time.process_time() - began)
    return EFFICIENCY * runtime.threads() * count * side**3 / min(times)


class Guess(NamedTuple):
    """What a distillation takes on this machine, in seconds."""

    before: float
    """Before the first update."""
    update: float

    @classmethod
    def of(cls, config: DistillConfig, shape: Shape, teacher: int, student: int) -> Self:
        """Guess by the multiply-adds of an image; a gradient costs as much as two passes."""
        before, update = 0, config.batch_size * (teacher + 3 * student)
        methods, rules, queries = (config.method, config.mix), config.inversion, config.queries
        if "adversarial" in methods:
            update += config.batch_size * config.noise_iterations * 3 * teacher
        pixels = math.prod(shape[:2])
        if "shapes" in methods:
            asked = teacher if config.candidates > 1 else 0
            drawn = config.candidates * most_shapes(shape)
            update += drawn * (DRAWN * pixels + asked) // SHAPES_UPDATES
        if cuts_crops(config):
            # Of minutes, crops take what is left.
            usual = most_leaves if config.minutes is None else fewest_leaves
            leaves = config.leaves or usual(shape)
            # The teacher chooses out of three times as many; what is chosen is cut once more.
            before += leaves * (3 * teacher + 4 * CUT * pixels) + canvases_for(leaves) * PAINTED
        if "inversion" in methods:
            step = (rules.synthesis_batch_size or 128) * 3 * teacher
            before += rules.warm_up * step + rules.first_images * teacher
            update += rules.generator_steps * step // rules.round_updates
        if "queries" in methods:
            # Two members as cheap as these learn in every round, and look at the candidates.
            small = (listed_multiply_adds(name, shape) for name in ("lenet5", "tiny"))
            member = min(student, *(cost for cost in small if cost is not None))
            *begun, budget = round_ends(
                queries.query_budget, queries.first_share, queries.query_rounds
            )
            size, most = config.batch_size, queries.scout_updates
            learned = 3 * size * sum(committee_updates(answers, size, most) for answers in begun)
            drawn = (queries.query_choice or CANDIDATES) * budget
            before += 2 * member * (learned + drawn) + CUT * pixels * drawn + budget * teacher
            update -= config.batch_size * teacher
        return cls(before / speed(), update / speed())

    def seconds(self, config: DistillConfig) -> float:
        """Return what the whole run takes."""
        return self.before + config.epochs * config.steps_per_epoch * self.update


def memory_of(network: "keras.Model", batch_size: int, beside: int = 0) -> int:
    """Return about how many bytes it takes to train a network with images that come to `beside`."""
    features = batch_size * sum(feature_bytes(network))
    check_memory(batch_size, features, beside)
    numbers = 4 * COPIES * int(network.count_params())
    return TENSORFLOW + HELD_TWICE * features + numbers + beside


def check_memory(batch_size: int, features: int, beside: int) -> None:
    """Refuse a batch of which the features alone do not fit, in bytes. Raises RequestError."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    (free,) = (1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    if features > (room := free - beside):
        fit = max(1, int(batch_size * room / (HELD_TWICE * features)))
        raise RequestError(
            f"--batch-size {batch_size}: an update holds {features / 1e9:.1f} GB of features, and"
            f" {room / 1e9:.1f} GB of memory are free; {fit} fit"
        )


def check_disk(ledger: Path, questions: int, size: int) -> None:
    """Refuse a ledger that may become too large, in bytes, for its disk. Raises RequestError."""
    free = shutil.disk_usage(ledger.absolute().parent).free
    if size > free:
        raise RequestError(
            f"--query-budget {questions}: its ledger would have {size / 1e6:,.0f} MB, and"
            f" {free / 1e6:,.0f} MB are free; {int(questions * free / size)} questions fit"
        )


def check_minutes(minutes: float, spent: float, guess: Guess) -> None:
    """Refuse minutes that are too few by far, whatever is measured later. Raises RequestError.

    `spent` is what the run has taken already, in seconds.
    """
    least = guess.before + LEAST_EPOCHS * guess.update
    if spent + least / FAR > 60 * minutes:
        raise too_few(minutes, spent + least)


def plan_of(
    config: DistillConfig,
    guess: Guess,
    network: "keras.Model",
    beside: int,
    asking: "BudgetedTeacher | None",
) -> Plan:
    """Plan a distillation of a network that is built, with images that come to `beside` bytes.

    Raises RequestError for what does not fit into memory, or on the disk.
    """
    disk = 0
    if cuts_crops(config):
        shape = network.input_shape[1:]
        beside += (config.leaves or most_leaves(shape)) * math.prod(shape)
    if asking is not None:
        ledger, budget = asking.ledger, config.queries.query_budget
        disk = bytes_of(ledger.heading, ledger.source, budget)
        check_disk(ledger.path, budget, disk)
    memory = memory_of(network, config.batch_size, beside)
    seconds = guess.seconds(config) if config.minutes is None else 60 * config.minutes
    return Plan(config.epochs, config.steps_per_epoch, config.batch_size, seconds, memory, disk)


def dry_plan(invocation: Invocation[Any]) -> Plan | None:
    """Plan a training without TensorFlow; None where too little is known, or nothing is trained."""
    request = invocation.request
    if isinstance(request, DistillRequest):
        return _student_plan(request, invocation)
    return _teacher_plan(request) if isinstance(request, TrainRequest) else None


def _teacher_plan(request: TrainRequest) -> Plan | None:
    """Plan by what is listed; a file or folder of images would have to be read."""
    known = DATASETS.get(request.dataset)
    if known is None:
        return None
    adds = listed_multiply_adds(request.model, known.input_shape)
    if adds is None:
        return None
    used = min(known.train, request.limit or known.train)
    images = used - round(used * request.config.validation_fraction)
    return Plan.of_teacher(request.config, images, adds)


def _student_plan(request: DistillRequest, invocation: Invocation[Any]) -> Plan:
    """Plan by what the file of the teacher tells."""
    config, student = request.config, request.student
    info = invocation.seen.info if invocation.seen is not None else None
    seconds, disk = None if config.minutes is None else 60 * config.minutes, 0
    if info is not None:
        teacher = listed_multiply_adds(info.model, info.input_shape)
        share = share_of_teacher(student or "")
        taught = listed_multiply_adds(student or info.model, info.input_shape)
        if share is not None and teacher is not None:
            taught = int(share * teacher)
        if teacher is not None and taught is not None and seconds is None:
            seconds = Guess.of(config, info.input_shape, teacher, taught).seconds(config)
    if config.method == "queries":
        disk = config.queries.query_budget * (QUESTION_BYTES + 4 * (info.classes if info else 10))
    return Plan.of(config, seconds, disk=disk)


def listed_multiply_adds(name: str, shape: Shape) -> int | None:
    """Return what an image of this shape costs an architecture; None for one that is not listed."""
    base, _, width = name.partition("@")
    cost = MODELS[base].cost if base in MODELS else None
    if cost is None:
        return None
    known = cost.multiply_adds * math.prod(shape[:2]) / 32**2 * float(width or 1) ** 2
    return int(known)


TRIAL_UPDATES = 41
"""Enough for two rounds of a generator at its default, after the first update."""
WARM_UP_TRIED = 20
"""Steps of a generator's warm-up that a trial makes, to know how long all of them take."""
LEAVES_SHARE = 0.09
"""Of the time left after a trial, for painting canvases and cutting crops: a tenth of what
teaching has."""
TRIAL_SHARE, LEAST_TRIED = 0.1, 2
"""Share of the minutes after which a trial ends early, with as many updates at least."""
SHOWN_EVERY = 10.0
"""Seconds between two lines about what a trial does before it teaches."""


@dataclass(slots=True)
class Timings:
    """When things were done in a trial, in seconds of `time.perf_counter`."""

    asked: float
    """The last question; the start, where none is asked."""
    updates: list[float] = field(default_factory=list)
    generator_steps: list[float] = field(default_factory=list)
    crops: list[float] = field(default_factory=list)
    evaluation: float = 0.0
    """How long it took to measure the student after the epoch, seconds."""

    @property
    def first_update(self) -> float:
        """What has to be done before the first update, without asking, seconds.

        What was asked is in the ledger: the run itself will not ask again.
        """
        return self.updates[0] - self.asked


def fitted(
    config: DistillConfig,
    minutes: float,
    began: float,
    trial: Callable[[DistillConfig], Iterator[Event]],
    shape: tuple[int, int, int],
    say: Callable[[str], object] = lambda text: None,
    *,
    measured_last: Callable[[float], float] = lambda evaluation: 0.0,
) -> DistillConfig:
    """Return the configuration with as many updates as fit, and with as many leaves.

    `trial` teaches a student of its own with images of `shape`, who is thrown away. `began`, a time
    of `time.perf_counter`, is when the minutes began to count; `say` is given a line now and then
    about a trial that takes long. `measured_last` says how long is measured in the end, by how
    long after an epoch, seconds. Raises RequestError where not one update fits, as soon as that is
    known.
    """
    warm_up = config.inversion.warm_up
    inversion = replace(config.inversion, warm_up=min(warm_up, WARM_UP_TRIED))
    most = config.leaves or most_leaves(shape)
    leaves = min(most, fewest_leaves(shape))
    tried = replace(
        config, epochs=1, steps_per_epoch=TRIAL_UPDATES, inversion=inversion, leaves=leaves
    )
    found = _timed(trial(tried), minutes, began, say)
    spent = time.perf_counter() - began
    first = found.first_update + (warm_up - inversion.warm_up) * _mean_gap(found.generator_steps)
    if cuts_crops(config):
        seconds = (found.crops[-1] - found.crops[0]) / leaves
        if config.leaves is None:
            room = LEAVES_SHARE * (60 * minutes - spent)
            config = replace(config, leaves=max(leaves, min(most, int(room / seconds))))
            if config.leaves != most:
                say(f"{config.leaves:,} crops fit {minutes:g} minutes (--leaves)")
        first += ((config.leaves or most) - leaves) * seconds
    # The student is measured after every epoch, of which there are some at least.
    evaluation = found.evaluation
    epochs, steps = fit_schedule(
        _mean_gap(found.updates) + evaluation / EPOCH_UPDATES,
        minutes,
        other_seconds=spent + first + LEAST_EPOCHS * evaluation + measured_last(evaluation),
    )
    return replace(config, epochs=epochs, steps_per_epoch=steps)


def _timed(
    trial: Iterator[Event], minutes: float, began: float, say: Callable[[str], object]
) -> Timings:
    """Note when things are done in a trial, until it ends or has taken its share of the minutes.

    Raises RequestError where what comes before the first update takes longer than all of them.
    """
    started, allowed = time.perf_counter(), 60 * minutes
    found = Timings(asked=started)
    phase, phase_began, shown = "", started, float("-inf")
    for event in trial:
        now = time.perf_counter()
        if isinstance(event, EpochRecord):
            found.evaluation = event.details.get("evaluation_seconds", 0.0)
        if not isinstance(event, Progress):
            continue
        if event.phase == "teaching":
            found.updates.append(now)
            long = now - found.asked > TRIAL_SHARE * allowed
            if long and len(found.updates) >= LEAST_TRIED and not found.generator_steps:
                break
            continue
        if event.phase != phase:
            phase, phase_began = event.phase, now
        needed = (now - phase_began) * event.total / max(1, event.done) + phase_began - began
        if now - started > TRIAL_SHARE * allowed and needed > allowed:
            raise too_few(minutes, needed)
        if event.phase == "asking the teacher":
            found.asked = now
        elif event.phase == "inverting":
            found.generator_steps.append(now)
        elif event.phase in ("painting canvases", "cutting crops"):
            found.crops.append(now)
        if now - shown >= SHOWN_EVERY:
            shown = now
            say(f"before the minutes are fitted: {event.phase}, {event.done} of {event.total}")
    return found


def _mean_gap(times: Sequence[float]) -> float:
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0


def continued(config: DistillConfig, kept: Request) -> DistillConfig:
    """Return the configuration with what the unfinished run was fitted to: updates and leaves."""
    epochs, steps, leaves = (
        kept.get(flag(name)) for name in ("epochs", "steps_per_epoch", "leaves")
    )
    if not isinstance(epochs, int) or not isinstance(steps, int):
        raise RequestError(
            "--minutes: the unfinished run was not fitted to minutes; continue it with the options"
            " that it was begun with, or start over with --overwrite"
        )
    if config.leaves is None and isinstance(leaves, int):
        config = replace(config, leaves=leaves)
    return replace(config, epochs=epochs, steps_per_epoch=steps)
