"""Updates per epoch that follow the clock, so that a run ends when it was asked to end."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.methods.base import within

LATE, EARLY = 0.03, 0.12
"""Shares of the time by which a run may be late, or early, before its plan is changed."""
LEAST_SHARE = 1 / 8
"""Of the planned updates of an epoch: a process that was halted for a while goes on teaching."""


class Pace:
    """How many updates each epoch makes, and where they are in the learning rate's schedule.

    Every epoch makes the same part of the schedule, in as many updates as there is time for.
    """

    def __init__(
        self,
        updates: int,
        seconds: float | None = None,
        *,
        began: float = 0.0,
        measured_last: Callable[[float], float] = lambda evaluation: 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Plan `updates` per epoch; a run that began at this time of the `clock` has `seconds`.

        `measured_last` says how long is measured in the end, by how long after an epoch, seconds.
        """
        self.updates = self._planned = updates
        self._seconds, self._began, self._clock = seconds, began, clock
        self._measured_last = measured_last
        self._ticks: list[float] = []
        self._at = tf.Variable(0.0)
        self._place = tf.Variable(0.0)
        self._stride = tf.Variable(1.0)

    def schedule(
        self, planned: keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the schedule that was made for the planned updates, as the clock lets it be."""
        if self._seconds is None:
            return planned
        return _Stretched(planned, self._at, self._place, self._stride)

    def begin(self, epoch: int, iterations: int) -> None:
        """Begin an epoch, from 1 on, before which the optimizer made so many updates."""
        self._ticks = []
        self._at.assign(float(iterations))
        self._place.assign(float((epoch - 1) * self._planned))
        self._stride.assign(self._planned / self.updates)

    def tick(self) -> None:
        """Count an update that was made."""
        self._ticks.append(self._clock())

    @property
    def per_update(self) -> float:
        """Seconds between two updates of this epoch; 0 where there were not two."""
        gaps = len(self._ticks) - 1
        return (self._ticks[-1] - self._ticks[0]) / gaps if gaps > 0 else 0.0

    def plan(self, epochs_left: int, evaluation: float) -> bool:
        """Change the updates of the epochs that are left if the run would end late, or early.

        `evaluation` is what the student's measuring takes after each, in seconds. The images of a
        first update may take long and are not made again. Returns whether the plan was changed.
        """
        if self._seconds is None or epochs_left < 1 or len(self._ticks) < 2:
            return False
        per_update = self.per_update
        left = self._seconds - (self._clock() - self._began) - self._measured_last(evaluation)
        needed = epochs_left * (self.updates * per_update + evaluation)
        if -LATE * self._seconds <= left - needed <= EARLY * self._seconds:
            return False
        fitting = int((left / epochs_left - evaluation) / per_update)
        before, self.updates = self.updates, max(fitting, int(LEAST_SHARE * self._planned), 1)
        return self.updates != before

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a run that is continued needs: the updates of the next epoch."""
        return {} if self._seconds is None else {"pace/updates": np.array(self.updates)}

    def restore(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take what `state` gave; what was kept before there was such a plan has none."""
        if "updates" in (kept := within(tensors, "pace")):
            self.updates = max(1, int(kept["updates"]))


class _Stretched(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that is walked through in longer or shorter strides."""

    def __init__(
        self,
        planned: keras.optimizers.schedules.LearningRateSchedule,
        at: tf.Variable,
        place: tf.Variable,
        stride: tf.Variable,
    ) -> None:
        self._planned, self._at, self._place, self._stride = planned, at, place, stride

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        passed = tf.cast(step, tf.float32) - self._at
        return self._planned(self._place + passed * self._stride)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("a pace is not saved with a model")
