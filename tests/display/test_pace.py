from dataclasses import dataclass

import pytest

from kextract.display.pace import Meter, Pace, RunState
from kextract.records import EpochRecord, Progress


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def steady(pace: Pace, clock: Clock, epoch: int, *, until: int = 10) -> RunState:
    """Ten steps of 32 images, two seconds each."""
    for done in range(until + 1):
        pace.add(Progress(epoch, "training", done, 10, done * 32, loss=1.5))
        clock.now += 2.0 if done < until else 0.0
    assert pace.state is not None
    return pace.state


def test_the_speed_and_the_time_left_follow_from_the_steps_so_far() -> None:
    clock = Clock()
    state = steady(Pace(3, clock), clock, 1, until=4)
    assert state.images_per_second == pytest.approx(16.0)
    assert state.epoch_left == pytest.approx(12.0)
    assert state.share == pytest.approx(0.4)


def test_before_an_epoch_has_ended_the_run_is_counted_in_epochs_like_this_one() -> None:
    clock = Clock()
    assert steady(Pace(3, clock), clock, 1, until=4).run_left == pytest.approx(12.0 + 2 * 20.0)


def test_after_an_epoch_the_phases_to_come_and_the_true_length_count() -> None:
    clock = Clock()
    pace = Pace(3, clock)
    steady(pace, clock, 1)
    pace.add(Progress(1, "evaluating", 0, 1, 0))
    clock.now += 5.0
    pace.end_epoch(EpochRecord(1, seconds=25.0))
    state = steady(pace, clock, 2, until=4)
    assert state.epoch_left == pytest.approx(12.0 + 5.0)
    assert state.run_left == pytest.approx(17.0 + 25.0)


def test_nothing_is_told_before_anything_moved() -> None:
    pace = Pace(3, Clock())
    pace.add(Progress(1, "training", 0, 10, 0))
    assert pace.state is not None
    assert (pace.state.images_per_second, pace.state.epoch_left) == (None, None)


def test_the_evaluation_before_training_tells_nothing_of_the_run() -> None:
    clock = Clock()
    assert steady(Pace(3, clock), clock, 0, until=4).run_left is None


def test_the_loss_stays_while_a_phase_without_one_goes_on() -> None:
    clock = Clock()
    pace = Pace(3, clock)
    steady(pace, clock, 1)
    pace.add(Progress(1, "evaluating", 0, 8, 0))
    assert pace.state is not None
    assert pace.state.loss == 1.5


def test_a_speed_forgets_what_was_long_ago() -> None:
    meter = Meter()
    for second in range(100):
        meter.add(float(second), second, second * 10)
    for second in range(100, 200):
        meter.add(float(second), second, 1000 + (second - 100) * 50)
    assert meter.images_per_second == pytest.approx(50.0)


def test_phases_that_take_turns_are_as_fast_as_both_together() -> None:
    """Each of three turns crafts four batches in ten seconds, and teaches with them in two."""
    clock = Clock()
    pace = Pace(1, clock)
    clock.now += 5.0
    pace.add(Progress(1, "crafting", 2, 12, 64))
    clock.now += 5.0
    pace.add(Progress(1, "crafting", 4, 12, 128))
    for done in range(1, 5):
        clock.now += 0.5
        pace.add(Progress(1, "teaching", done, 12, done * 32))
    assert pace.state is not None
    assert pace.state.epoch_left == pytest.approx(24.0)
    assert pace.state.share == pytest.approx(1 / 3)


def test_a_phase_that_is_over_does_not_slow_down_the_next() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    clock.now += 60.0
    pace.add(Progress(1, "inverting", 100, 100, 100))
    for done in range(1, 4):
        clock.now += 1.0
        pace.add(Progress(1, "teaching", done, 10, done * 32))
    assert pace.state is not None
    assert pace.state.epoch_left == pytest.approx(7.0)
