import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.training.pace import Pace

EPOCHS, UPDATES = 4, 10


class Clock:
    """A clock that stands still unless it is moved on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def cosine() -> keras.optimizers.schedules.LearningRateSchedule:
    rising = 4
    return keras.optimizers.schedules.CosineDecay(
        0.0, EPOCHS * UPDATES - rising, warmup_target=0.1, warmup_steps=rising
    )


def run(pace: Pace, clock: Clock, seconds: list[float]) -> tuple[list[int], list[float]]:
    """Run epochs whose updates take so long each; return their updates, and all learning rates."""
    schedule = pace.schedule(cosine())
    made: list[int] = []
    rates: list[float] = []
    for epoch, each in enumerate(seconds, start=1):
        pace.begin(epoch, len(rates))
        for _ in range(pace.updates):
            rates.append(float(schedule(tf.constant(len(rates)))))
            clock.now += each
            pace.tick()
        made.append(pace.updates)
        pace.plan(len(seconds) - epoch, evaluation=0.0)
    return made, rates


def test_a_run_that_is_in_time_keeps_its_updates_and_its_learning_rates_to_the_bit() -> None:
    clock = Clock()
    made, rates = run(Pace(UPDATES, 42.0, clock=clock), clock, [1.0] * EPOCHS)
    assert made == [UPDATES] * EPOCHS
    assert rates == [float(cosine()(tf.constant(step))) for step in range(EPOCHS * UPDATES)]


def test_a_machine_that_becomes_half_as_fast_makes_fewer_updates_and_ends_in_time() -> None:
    clock = Clock()
    made, rates = run(Pace(UPDATES, 42.0, clock=clock), clock, [1.0, 2.0, 2.0, 2.0])
    assert made[:2] == [10, 10]
    assert made[2] < 7
    assert clock.now <= 1.03 * 42
    assert rates[-1] < rates[10] / 10, "the rate has fallen by the last update"


def test_a_machine_that_becomes_faster_makes_more_updates() -> None:
    clock = Clock()
    made, _ = run(Pace(UPDATES, 42.0, clock=clock), clock, [1.0, 0.5, 0.5, 0.5])
    assert sum(made) > EPOCHS * UPDATES
    assert 0.85 * 42 <= clock.now <= 1.03 * 42


def test_a_run_that_is_continued_has_the_updates_of_its_next_epoch() -> None:
    clock = Clock()
    pace = Pace(UPDATES, 42.0, clock=clock)
    run(pace, clock, [3.0, 3.0])
    continued = Pace(UPDATES, 42.0)
    continued.restore(pace.state())
    assert continued.updates == pace.updates != UPDATES


@pytest.mark.parametrize("kept", [{}, {"model/0": np.zeros(1)}])
def test_what_was_kept_without_a_pace_keeps_its_schedule(kept: dict[str, np.ndarray]) -> None:
    pace = Pace(UPDATES, 42.0)
    pace.restore(kept)
    assert pace.updates == UPDATES
