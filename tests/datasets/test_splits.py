import numpy as np
import pytest

from kextract.datasets.splits import split
from kextract.errors import DatasetError


def test_a_split_puts_every_image_on_exactly_one_side() -> None:
    train, validation = split(1000, 0.1, seed=3)
    assert (len(train), len(validation)) == (900, 100)
    assert sorted([*train, *validation]) == list(range(1000))


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    first, again, other = (split(1000, 0.1, seed=seed)[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 50


def test_a_split_is_a_fair_sample() -> None:
    _, validation = split(10_000, 0.1, seed=0)
    assert abs(validation.mean() - 5000) < 4 * 10_000 / np.sqrt(12 * 1000)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, 0.04, 0.96, float("nan")])
def test_a_split_with_an_empty_side_is_refused(fraction: float) -> None:
    with pytest.raises(DatasetError, match=r"^--validation-fraction .* 10 images"):
        split(10, fraction, seed=0)
