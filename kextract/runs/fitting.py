"""The schedule that fits a number of minutes, measured on a trial of the same run."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from kextract.config import DistillConfig
from kextract.config.option import flag
from kextract.errors import RequestError
from kextract.methods.auto import EPOCH_UPDATES, LEAST_EPOCHS, fit_schedule
from kextract.records import EpochRecord, Event, Progress
from kextract.storage.resume import Request

TRIAL_UPDATES = 41
"""Enough for two rounds of a generator at its default, after the first update."""
WARM_UP_TRIED = 20
"""Steps of a generator's warm-up that a trial makes, to know how long all of them take."""
LEAVES_TRIED = 1024
"""Crops of dead leaves in the pool of a trial, to know how long all of them take."""
SHOWN_EVERY = 10.0
"""Seconds between two lines about what a trial does before it teaches."""

Tell = Callable[[str], None]
_listening: ContextVar[Tell] = ContextVar("listening", default=lambda text: None)


@contextmanager
def trials_told_to(tell: Tell) -> Iterator[None]:
    """Give `tell` a line now and then about a trial that takes long: the display has not begun."""
    token = _listening.set(tell)
    try:
        yield
    finally:
        _listening.reset(token)


def fitted(
    config: DistillConfig,
    minutes: float,
    began: float,
    trial: Callable[[DistillConfig], Iterator[Event]],
) -> DistillConfig:
    """Return the configuration with as many updates as fit.

    `trial` teaches a student of its own, who is thrown away. `began`, a time of
    `time.perf_counter`, is when the minutes began to count. Raises RequestError where not one
    update fits.
    """
    started = time.perf_counter()
    warm_up = config.inversion.warm_up
    inversion = replace(config.inversion, warm_up=min(warm_up, WARM_UP_TRIED))
    leaves = min(config.leaves, LEAVES_TRIED)
    tried = replace(
        config, epochs=1, steps_per_epoch=TRIAL_UPDATES, inversion=inversion, leaves=leaves
    )
    updates: list[float] = []
    generator_steps: list[float] = []
    crops: list[float] = []
    evaluation = 0.0
    shown, asked = float("-inf"), started
    for event in trial(tried):
        if isinstance(event, EpochRecord):
            evaluation = event.details.get("evaluation_seconds", 0.0)
        elif isinstance(event, Progress) and event.phase == "teaching":
            updates.append(time.perf_counter())
        elif isinstance(event, Progress):
            now = time.perf_counter()
            if event.phase == "asking the teacher":
                asked = now
            if event.phase == "inverting":
                generator_steps.append(now)
            if event.phase in ("painting leaves", "cutting leaves"):
                crops.append(now)
            if now - shown >= SHOWN_EVERY:
                shown = now
                _listening.get()(
                    f"before the minutes are fitted: {event.phase}, {event.done} of {event.total}"
                )
    per_update = _mean_gap(updates)
    # What was asked is in the ledger: the run itself will not ask again.
    first = updates[0] - asked + (warm_up - inversion.warm_up) * _mean_gap(generator_steps)
    if "leaves" in (config.method, config.mix):
        first += (config.leaves / leaves - 1) * (crops[-1] - crops[0])
    spent = time.perf_counter() - began
    # The student is measured after every epoch, of which there are some at least.
    epochs, steps = fit_schedule(
        per_update + evaluation / EPOCH_UPDATES,
        minutes,
        other_seconds=spent + first + LEAST_EPOCHS * evaluation,
    )
    return replace(config, epochs=epochs, steps_per_epoch=steps)


def _mean_gap(times: Sequence[float]) -> float:
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0


def continued(config: DistillConfig, kept: Request) -> DistillConfig:
    """Return the configuration with the updates that the unfinished run was fitted to."""
    epochs, steps = (kept.get(flag(name)) for name in ("epochs", "steps_per_epoch"))
    if not isinstance(epochs, int) or not isinstance(steps, int):
        raise RequestError(
            "--minutes: the unfinished run was not fitted to minutes; continue it with the options"
            " that it was begun with, or start over with --overwrite"
        )
    return replace(config, epochs=epochs, steps_per_epoch=steps)
