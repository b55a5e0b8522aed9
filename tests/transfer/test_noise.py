from math import erfc, sqrt
from typing import Any

import numpy as np
import pytest

from kextract.transfer.noise import RandomNoise, batch_generator, clipped_noise

COUNT = 200_000
SHAPE = (4, 5, 6, 3)


@pytest.fixture(scope="module")
def pixels() -> Any:
    return clipped_noise(np.random.default_rng(0), (COUNT,))


def spread(share: float) -> float:
    """Four standard deviations of the share of COUNT draws that something happens to."""
    return 4 * sqrt(share * (1 - share) / COUNT)


def test_noise_lies_within_the_borders(pixels: Any) -> None:
    assert (pixels.dtype, pixels.min(), pixels.max()) == (np.float32, -1, 1)


@pytest.mark.parametrize("border", [-1, 1])
def test_what_a_normal_distribution_has_beyond_a_border_lies_on_it(
    pixels: Any, border: int
) -> None:
    beyond = erfc(1 / sqrt(2)) / 2
    assert abs((pixels == border).mean() - beyond) < spread(beyond)


def test_between_the_borders_noise_is_normal(pixels: Any) -> None:
    between = 1 - erfc(0.5 / sqrt(2))
    assert abs((np.abs(pixels) < 0.5).mean() - between) < spread(between)


def batch(seed: int, epoch: int, step: int) -> Any:
    source = RandomNoise(SHAPE, seed)
    source.refresh(epoch, step)
    return source.batch().numpy()


def test_a_batch_has_the_asked_shape_and_type() -> None:
    images = batch(0, 1, 0)
    assert (images.shape, images.dtype) == (SHAPE, np.float32)


def test_a_batch_does_not_depend_on_the_batches_before() -> None:
    source = RandomNoise(SHAPE, seed=3)
    for epoch, step in ((1, 0), (1, 1), (2, 0)):
        source.refresh(epoch, step)
        source.batch()
    source.refresh(2, 1)
    np.testing.assert_array_equal(source.batch().numpy(), batch(3, 2, 1))


@pytest.mark.parametrize("moment", [(4, 2, 1), (3, 1, 1), (3, 2, 2), (3, 1, 2)])
def test_every_seed_epoch_and_step_has_noise_of_its_own(moment: tuple[int, int, int]) -> None:
    same = batch(*moment) == batch(3, 2, 1)
    # Pixels on the borders are often the same: (0.1587**2 * 2) of all.
    assert same.mean() < 0.15


def test_generators_of_different_batches_are_different() -> None:
    moments = [(s, e, t) for s in range(3) for e in range(3) for t in range(3)]
    assert len({batch_generator(*moment).random() for moment in moments}) == len(moments)


def test_there_is_nothing_to_say_about_random_noise() -> None:
    assert RandomNoise(SHAPE, 0).metrics() == {}
