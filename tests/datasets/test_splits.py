import numpy as np
import pytest

from kextract.datasets.dataset import draw_evenly, split
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


def test_images_are_drawn_evenly_from_all_classes_however_they_are_sorted() -> None:
    labels = np.repeat(np.arange(4), [100, 3, 50, 60])
    chosen = draw_evenly(labels, 33, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [10, 3, 10, 10]
    assert np.all(np.diff(chosen) > 0)


def test_what_cannot_be_shared_out_goes_to_classes_at_random() -> None:
    labels = np.repeat(np.arange(10), 20)
    extra = [np.bincount(labels[draw_evenly(labels, 15, seed)]) for seed in range(40)]
    assert all(counts.min() == 1 and counts.max() == 2 for counts in extra)
    assert np.all(np.sum(extra, axis=0) > 40)


def test_the_same_seed_draws_the_same_images_and_another_seed_others() -> None:
    labels = np.arange(1000) % 10
    first, again, other = (draw_evenly(labels, 100, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 30


@pytest.mark.parametrize("count", [8, 9])
def test_all_images_are_drawn_where_there_are_not_more(count: int) -> None:
    assert draw_evenly(np.arange(8) % 2, count, seed=0).tolist() == list(range(8))
