from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.datasets.images import unscale
from kextract.errors import RequestError, UnknownNameError
from kextract.methods import method_spec, method_specs
from kextract.methods.base import Method
from kextract.methods.making import shares
from kextract.methods.registry import choose_method, fit_schedule
from kextract.records import Progress
from tests.methods.examples import SMALL, made
from tests.training.examples import SHAPE

MIXED = {"method": "surrogate", "mix": "random"}


def batches(method: Method, epoch: int = 1) -> Any:
    drawn = []
    for step in range(SMALL.steps_per_epoch):
        list(method.refresh(epoch, step))
        drawn.append(method.batch().images.numpy())
    return np.stack(drawn)


@pytest.mark.parametrize("name", ["random", "adversarial", "surrogate"])
def test_samples_are_the_first_images_of_the_epoch(name: str) -> None:
    method = made(method=name)
    for epoch in (1, 2):
        first = batches(method, epoch)[0]
        np.testing.assert_array_equal(method.samples(3), unscale(first[:3]))
        assert len(method.samples(99)) == SMALL.batch_size


def test_a_batch_is_the_batch_of_the_one_method_and_that_of_the_other() -> None:
    mixed = batches(made(**MIXED, mix_share=0.25))
    config = replace(SMALL, mix_share=0.25, method="surrogate", mix="random")
    alone = [
        batches(made(method=part.method, batch_size=part.batch_size, seed=part.seed))
        for part in shares(config)
    ]
    assert mixed.shape == (3, 8, *SHAPE)
    assert alone[1].shape[1] == 2
    np.testing.assert_array_equal(mixed, np.concatenate(alone, axis=1))


def test_events_of_both_are_passed_on_and_metrics_and_state_kept_apart() -> None:
    method = made(method="leaves", mix="adversarial", leaves=20)
    phases = {event.phase for event in method.refresh(1, 0) if isinstance(event, Progress)}
    batches(method)
    metrics = method.metrics()
    assert phases == {"painting canvases", "cutting crops", "crafting noise"}
    assert {"confidence", "adversarial/confidence", "iterations", "entropy"} <= metrics.keys()
    assert metrics["confidence"] != metrics["adversarial/confidence"]
    assert {name.split("/")[0] for name in method.state()} == {"adversarial"}


@pytest.mark.parametrize(("wrong", "right"), [("adverserial", "adversarial"), ("Random", "random")])
def test_an_unknown_method_is_answered_with_the_nearest_one(wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"method '{wrong}': did you mean '{right}'"):
        method_spec(wrong)


def test_an_unknown_second_method_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"method \(--mix\) 'inverson': did you mean 'inver"):
        method_specs(DistillConfig(mix="inverson"))


GREY, FACE, COLOUR = (28, 28, 1), (64, 64, 1), (32, 32, 3)


@pytest.mark.parametrize(
    ("facts", "method"),
    [
        ((GREY, True), "inversion"),
        ((GREY, False), "leaves"),
        ((FACE, True), "leaves"),
        ((COLOUR, True), "leaves"),
    ],
)
def test_the_method_follows_from_the_teacher(
    facts: tuple[tuple[int, int, int], bool], method: str
) -> None:
    assert choose_method(*facts).method == method


@pytest.mark.parametrize("seconds", [0.004, 2.0])
@pytest.mark.parametrize("minutes", [0.5, 60])
def test_a_schedule_fills_the_minutes_and_does_not_exceed_them(
    seconds: float, minutes: float
) -> None:
    epochs, steps = fit_schedule(seconds, minutes, other_seconds=12)
    budget = 60 * minutes - 12
    assert epochs * steps * seconds <= budget
    # What is left over is less than one more update for every epoch.
    assert (epochs * (steps + 1)) * seconds > budget - seconds
    assert 1 <= steps <= 500


def test_a_schedule_of_few_updates_has_several_epochs_all_the_same() -> None:
    assert fit_schedule(1.0, 1) == (6, 10)


@pytest.mark.parametrize(("seconds", "other"), [(61.0, 0.0), (0.1, 60.0), (0.1, 600.0)])
def test_minutes_in_which_nothing_fits_are_refused_with_what_would_do(
    seconds: float, other: float
) -> None:
    with pytest.raises(RequestError, match=r"--minutes 1: .* or more"):
        fit_schedule(seconds, 1, other_seconds=other)
