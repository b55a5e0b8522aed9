from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.datasets.pixels import unscale
from kextract.models.frozen import frozen
from kextract.transfer import make_source
from kextract.transfer.source import SourceContext, TransferSource, as_batch
from kextract.transfer.watched import Watched
from tests.training.examples import SMALL_INVERSION, easy_images, tiny_network

CONFIG = DistillConfig(
    method="random",
    steps_per_epoch=3,
    batch_size=4,
    noise_iterations=2,
    precision="float32",
    inversion=SMALL_INVERSION,
)


def made(method: str) -> TransferSource:
    teacher, student = tiny_network(1), tiny_network(2)
    classifier = frozen(teacher, batch_statistics=False)
    context = SourceContext(classifier, teacher, student, replace(CONFIG, method=method))
    return make_source(context, {method: easy_images(5).x})


def epoch(source: TransferSource, number: int) -> Any:
    drawn = []
    for step in range(CONFIG.steps_per_epoch):
        list(source.refresh(number, step))
        drawn.append(as_batch(source.batch()).images.numpy())
    return np.stack(drawn)


@pytest.mark.parametrize("method", ["random", "adversarial", "surrogate"])
def test_the_first_images_of_the_epoch_are_shown(method: str) -> None:
    source = Watched(made(method))
    for number in (1, 2):
        first = epoch(source, number)[0]
        np.testing.assert_array_equal(source.samples(3), unscale(first[:3]))
        assert len(source.samples(99)) == 4


def test_the_newest_images_of_a_generator_are_shown() -> None:
    alone = made("inversion")
    source = Watched(alone)
    epoch(source, 1)
    state = alone.state()
    added, bank = int(state["bank/added"]), state["bank/images"]
    expected = [bank[(added - 1 - age) % len(bank)] for age in range(7)]
    np.testing.assert_array_equal(source.samples(7), expected)


@pytest.mark.parametrize(
    "method", ["random", "adversarial", pytest.param("inversion", marks=pytest.mark.slow)]
)
def test_nothing_is_changed_by_looking(method: str) -> None:
    watched, alone = Watched(made(method)), made(method)
    for number in (1, 2):
        np.testing.assert_array_equal(epoch(watched, number), epoch(alone, number))
        watched.samples(9)
        assert watched.metrics() == alone.metrics()
        one, other = watched.state(), alone.state()
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name])


def test_what_was_kept_goes_to_the_source() -> None:
    first, second = Watched(made("adversarial")), made("adversarial")
    epoch(second, 1)
    first.restore(second.state())
    assert first.state() == second.state()
