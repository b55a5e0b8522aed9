from dataclasses import dataclass

import pytest

from kextract.display.pace import Meter, Pace, Standing
from kextract.records import EpochRecord, Progress


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def steady(pace: Pace, clock: Clock, epoch: int, *, until: int = 10) -> Standing:
    """Ten steps of 32 images, two seconds each."""
    for done in range(until + 1):
        pace.add(Progress(epoch, "training", done, 10, done * 32, loss=1.5))
        clock.now += 2.0 if done < until else 0.0
    assert pace.standing is not None
    return pace.standing


def test_the_speed_and_the_time_left_follow_from_the_steps_so_far() -> None:
    clock = Clock()
    standing = steady(Pace(3, clock), clock, 1, until=4)
    assert standing.images_per_second == pytest.approx(16.0)
    assert standing.epoch_left == pytest.approx(12.0)
    assert standing.share == pytest.approx(0.4)


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
    standing = steady(pace, clock, 2, until=4)
    assert standing.epoch_left == pytest.approx(12.0 + 5.0)
    assert standing.run_left == pytest.approx(17.0 + 25.0)


def test_nothing_is_told_before_anything_moved() -> None:
    pace = Pace(3, Clock())
    pace.add(Progress(1, "training", 0, 10, 0))
    assert pace.standing is not None
    assert (pace.standing.images_per_second, pace.standing.epoch_left) == (None, None)


def test_the_evaluation_before_training_tells_nothing_of_the_run() -> None:
    clock = Clock()
    assert steady(Pace(3, clock), clock, 0, until=4).run_left is None


def test_the_loss_stays_while_a_phase_without_one_goes_on() -> None:
    clock = Clock()
    pace = Pace(3, clock)
    steady(pace, clock, 1)
    pace.add(Progress(1, "evaluating", 0, 8, 0))
    assert pace.standing is not None
    assert pace.standing.loss == 1.5


def test_a_speed_forgets_what_was_long_ago() -> None:
    meter = Meter()
    for second in range(100):
        meter.add(float(second), second, second * 10)
    for second in range(100, 200):
        meter.add(float(second), second, 1000 + (second - 100) * 50)
    assert meter.images_per_second == pytest.approx(50.0)
