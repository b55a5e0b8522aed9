from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.datasets.images import unscale
from kextract.errors import UnknownNameError
from kextract.methods import METHODS, method_spec, method_specs
from kextract.methods.base import Method
from kextract.methods.making import CLASSES, shares
from kextract.records import Event, Progress
from tests.methods.examples import SMALL, made
from tests.training.examples import SHAPE, SMALL_INVERSION

MIXED = {"method": "surrogate", "mix": "random"}
Played = tuple[Method, list[Event], dict[str, float]]


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


def test_each_method_has_its_own_images() -> None:
    """Bright corners are in the one half, dark ones in the other."""
    given, own = np.split(batches(made(method="surrogate", mix="real")), 2, axis=1)
    assert given.max() > 0.5 and given.min() > -0.6
    assert own.min() < -0.5 and own.max() < 0.6


def test_two_kinds_of_noise_do_not_begin_alike() -> None:
    noise = batches(made(method="random", mix="adversarial", noise_learning_rate=1e-9))
    random, pushed = np.split(noise, 2, axis=1)
    # Pixels on the borders are often the same: (0.1587**2 * 2) of all.
    assert np.isclose(random, pushed, atol=1e-4).mean() < 0.15


@pytest.fixture(scope="module")
def played() -> Played:
    """Drawn images and crafted noise after an epoch, the events of its start, and the metrics."""
    method = made(method="inversion", mix="adversarial")
    events = list(method.refresh(1, 0))
    batches(method)
    return method, events, method.metrics()


def test_a_metric_that_both_have_is_given_for_each(played: Played) -> None:
    metrics = played[2]
    assert {"confidence", "adversarial/confidence", "iterations", "diversity"} <= metrics.keys()
    assert metrics["confidence"] != metrics["adversarial/confidence"]


def test_events_of_both_are_passed_on(played: Played) -> None:
    phases = [event.phase for event in played[1] if isinstance(event, Progress)]
    assert phases.count("inverting") == SMALL_INVERSION.warm_up
    assert "crafting noise" in phases


def test_the_state_of_both_is_kept_apart(played: Played) -> None:
    state = played[0].state()
    assert {name.split("/")[0] for name in state} == {"adversarial", "inversion"}


def test_every_method_has_a_class_that_makes_its_images() -> None:
    assert CLASSES.keys() == METHODS.keys()


@pytest.mark.parametrize(("wrong", "right"), [("adverserial", "adversarial"), ("Random", "random")])
def test_an_unknown_method_is_answered_with_the_nearest_one(wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"method '{wrong}': did you mean '{right}'"):
        method_spec(wrong)


def test_an_unknown_second_method_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"method \(--mix\) 'inverson': did you mean 'inver"):
        method_specs(DistillConfig(mix="inverson"))
