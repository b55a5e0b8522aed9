"""The schedule that fits a number of minutes, measured on a trial of the same run."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kextract.config import DistillConfig
from kextract.config.option import flag
from kextract.errors import RequestError
from kextract.methods.auto import (
    EPOCH_UPDATES,
    LEAST_EPOCHS,
    fewest_leaves,
    fit_schedule,
    most_leaves,
    too_few,
)
from kextract.records import EpochRecord, Event, Progress
from kextract.storage.resume import Request

TRIAL_UPDATES = 41
"""Enough for two rounds of a generator at its default, after the first update."""
WARM_UP_TRIED = 20
"""Steps of a generator's warm-up that a trial makes, to know how long all of them take."""
LEAVES_SHARE = 0.09
"""Of the time left after a trial, for painting and cutting leaves: a tenth of what teaching has."""
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
    if "leaves" in (config.method, config.mix):
        seconds = (found.crops[-1] - found.crops[0]) / leaves
        if config.leaves is None:
            room = LEAVES_SHARE * (60 * minutes - spent)
            config = replace(config, leaves=max(leaves, min(most, int(room / seconds))))
            if config.leaves != most:
                say(f"{config.leaves:,} crops of dead leaves fit {minutes:g} minutes (--leaves)")
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
        elif event.phase in ("painting leaves", "cutting leaves"):
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
