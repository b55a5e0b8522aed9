"""How fast a run goes, and from that how long it will take."""

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from kextract.records import EpochRecord, Progress

Clock = Callable[[], float]
"""Seconds since some moment, never going back."""

WINDOW = 20.0
"""Seconds over which a speed is averaged."""
_RESOLUTION = 0.1
"""Seconds between remembered readings: thousands of steps a second must not fill the memory."""
_EPOCHS = 5
"""Epochs whose typical length stands for the coming ones."""


@dataclass(frozen=True, slots=True)
class _Reading:
    time: float
    done: int
    images: int


class Meter:
    """The speed of one phase of an epoch, over the last seconds."""

    def __init__(self) -> None:
        self._readings: deque[_Reading] = deque()

    def add(self, time: float, done: int, images: int) -> None:
        """Take a step count and an image count; counts that fall begin anew."""
        readings = self._readings
        if readings and done < readings[-1].done:
            readings.clear()
        if len(readings) > 1 and time - readings[-2].time < _RESOLUTION:
            readings.pop()
        readings.append(_Reading(time, done, images))
        while len(readings) > 2 and time - readings[1].time > WINDOW:
            readings.popleft()

    @property
    def last_time(self) -> float:
        """When the meter was last fed."""
        return self._readings[-1].time

    @property
    def steps_per_second(self) -> float | None:
        """The speed in steps; None while nothing has moved."""
        return self._speed(lambda reading: reading.done)

    @property
    def images_per_second(self) -> float | None:
        """The speed in images; None while nothing has moved."""
        return self._speed(lambda reading: reading.images)

    def _speed(self, count: Callable[[_Reading], int]) -> float | None:
        if len(self._readings) < 2:
            return None
        first, last = self._readings[0], self._readings[-1]
        seconds, things = last.time - first.time, count(last) - count(first)
        return things / seconds if seconds > 0 and things > 0 else None


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands at one moment; whole at once, so that another thread may read it."""

    progress: Progress
    time: float
    """When this was true, by the clock of the pace."""
    images_per_second: float | None
    loss: float | None
    """The latest training loss of the epoch, also while a phase that has none goes on."""
    share: float
    """How much of the epoch's time has gone by, 0 to 1."""
    epoch_left: float | None
    """Seconds to the end of the epoch."""
    run_left: float | None
    """Seconds to the end of the last epoch, should the run go that far."""


class Pace:
    """Listens to a run and tells its speed, and the time left in the epoch and in the run."""

    def __init__(self, epochs: int, clock: Clock) -> None:
        self._epochs = epochs
        self._clock = clock
        self._began = self._free_since = clock()
        self._share = 0.0
        self._loss: float | None = None
        self._meters: dict[str, Meter] = {}
        self._after: dict[str, float] = {}
        self._lengths: deque[float] = deque(maxlen=_EPOCHS)
        self.state: RunState | None = None
        """The latest; None between epochs."""

    def add(self, progress: Progress) -> None:
        """Take where the running epoch stands."""
        now = self._clock()
        if progress.phase not in self._meters:
            # Phases that take turns share their time: the first turn of one was not all of it.
            self._meters[progress.phase] = Meter()
            self._meters[progress.phase].add(self._free_since, 0, 0)
        meter = self._meters[progress.phase]
        meter.add(now, progress.done, progress.images)
        if progress.done >= progress.total:
            self._free_since = now
        left = self._epoch_left(progress, meter)
        gone = now - self._began
        if left is not None and gone + left > 0:
            self._share = max(self._share, gone / (gone + left))
        if progress.loss is not None:
            self._loss = progress.loss
        self.state = RunState(
            progress,
            time=now,
            images_per_second=meter.images_per_second,
            loss=self._loss,
            share=self._share,
            epoch_left=left,
            run_left=self._run_left(progress, left),
        )

    def end_epoch(self, record: EpochRecord) -> None:
        """Learn from a finished epoch how long the coming ones take, and each phase's sequel."""
        now = self._clock()
        for phase, meter in self._meters.items():
            self._after[phase] = now - meter.last_time
        if record.epoch > 0:
            self._lengths.append(record.seconds)
        self._meters = {}
        self._began = self._free_since = now
        self._share = 0.0
        self._loss = None
        self.state = None

    def _epoch_left(self, progress: Progress, meter: Meter) -> float | None:
        """Count this phase's steps that are to come, and what came after the phase last time."""
        after = self._after.get(progress.phase, 0.0)
        steps = progress.total - progress.done
        if steps <= 0:
            return after
        speed = meter.steps_per_second
        return None if speed is None else steps / speed + after

    def _run_left(self, progress: Progress, left: float | None) -> float | None:
        if left is None or progress.epoch < 1:
            return None
        gone = self._clock() - self._began
        length = statistics.median(self._lengths) if self._lengths else gone + left
        return left + max(self._epochs - progress.epoch, 0) * length
