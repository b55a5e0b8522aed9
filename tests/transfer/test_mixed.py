from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.errors import RequestError, UnknownNameError
from kextract.models.frozen import frozen
from kextract.records import Event, Progress
from kextract.transfer import make_source, method_specs
from kextract.transfer.mixed import Mixed, shares
from kextract.transfer.source import SourceContext, TransferSource, as_batch
from tests.training.examples import SHAPE, SMALL_INVERSION, easy_images, tiny_network

CONFIG = DistillConfig(
    method="surrogate",
    mix="random",
    steps_per_epoch=3,
    batch_size=8,
    noise_iterations=2,
    precision="float32",
    inversion=SMALL_INVERSION,
)
GIVEN = {"surrogate": easy_images(5).x, "real": 255 - easy_images(5).x}


def made(config: DistillConfig) -> TransferSource:
    teacher, student = tiny_network(1), tiny_network(2)
    classifier = frozen(teacher, batch_statistics=False)
    return make_source(SourceContext(classifier, teacher, student, config), GIVEN)


def batches(source: TransferSource, epoch: int = 1) -> Any:
    drawn = []
    for step in range(CONFIG.steps_per_epoch):
        list(source.refresh(epoch, step))
        drawn.append(as_batch(source.batch()).images.numpy())
    return np.stack(drawn)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_a_batch_is_the_batch_of_the_one_method_and_that_of_the_other(share: float) -> None:
    config = replace(CONFIG, mix_share=share)
    mixed = batches(made(config))
    alone = [batches(made(part)) for part in shares(config)]
    assert mixed.shape == (3, 8, *SHAPE)
    assert alone[1].shape[1] == round(8 * share)
    np.testing.assert_array_equal(mixed, np.concatenate(alone, axis=1))


def test_each_method_has_its_own_images() -> None:
    """Bright corners are in the one half, dark ones in the other."""
    given, own = np.split(batches(made(replace(CONFIG, mix="real"))), 2, axis=1)
    assert given.max() > 0.5 and given.min() > -0.6
    assert own.min() < -0.5 and own.max() < 0.6


def test_two_kinds_of_noise_do_not_begin_alike() -> None:
    config = replace(CONFIG, method="random", mix="adversarial", noise_learning_rate=1e-9)
    random, pushed = np.split(batches(made(config)), 2, axis=1)
    # Pixels on the borders are often the same: (0.1587**2 * 2) of all.
    assert np.isclose(random, pushed, atol=1e-4).mean() < 0.15


@pytest.fixture(scope="module")
def played() -> tuple[TransferSource, list[Event], dict[str, float]]:
    """Drawn images and crafted noise after an epoch, what was told on the way, and the figures."""
    source = made(replace(CONFIG, method="inversion", mix="adversarial"))
    events = list(source.refresh(1, 0))
    batches(source)
    return source, events, source.metrics()


def test_a_figure_that_both_have_is_told_of_each(
    played: tuple[TransferSource, list[Event], dict[str, float]],
) -> None:
    metrics = played[2]
    assert {"confidence", "adversarial/confidence", "iterations"} <= metrics.keys()
    assert metrics["confidence"] != metrics["adversarial/confidence"]


def test_the_health_of_drawn_images_is_among_the_figures(
    played: tuple[TransferSource, list[Event], dict[str, float]],
) -> None:
    assert {"confidence", "entropy", "diversity"} <= played[2].keys()


def test_events_of_both_are_passed_on(
    played: tuple[TransferSource, list[Event], dict[str, float]],
) -> None:
    source, events, _ = played
    assert isinstance(source, Mixed)
    phases = [event.phase for event in events if isinstance(event, Progress)]
    assert phases.count("inverting") == SMALL_INVERSION.warm_up
    assert "crafting noise" in phases


def test_what_both_remember_is_kept_apart_and_given_back(
    played: tuple[TransferSource, list[Event], dict[str, float]],
) -> None:
    source = played[0]
    again = made(replace(CONFIG, method="inversion", mix="adversarial"))
    state = {name: np.array(value) for name, value in source.state().items()}
    assert {name.split("/")[0] for name in state} == {"adversarial", "inversion"}
    again.restore(state)
    np.testing.assert_array_equal(batches(again, 2), batches(source, 2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mix_share": 0.0}, "--mix-share 0.0: must be between 0 and 1"),
        ({"mix_share": 1.0}, "--mix-share 1.0: must be between 0 and 1"),
        ({"mix_share": float("nan")}, "--mix-share nan: must be between 0 and 1"),
    ],
)
def test_what_cannot_be_mixed_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        replace(CONFIG, **changes)


def test_an_unknown_second_method_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"method \(--mix\) 'inverson': did you mean 'inver"):
        method_specs(replace(CONFIG, mix="inverson"))
