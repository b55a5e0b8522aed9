from typing import Any

import numpy as np
import pytest

from kextract.datasets.images import Dataset, Labels, Pixels, draw_evenly, split
from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError
from tests.datasets.images import random_images, random_labels


def dataset(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "mine",
        "x_train": random_images(6, 16, 20, 3),
        "y_train": random_labels(6, 2),
        "x_test": random_images(4, 16, 20, 3),
        "y_test": random_labels(4, 2),
        "class_names": ("cat", "dog"),
    }
    return Dataset(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": random_images(4, 16, 20, 1)}, "found 16x20x3 and 16x20x1"),
        ({"y_test": random_labels(4, 3)}, "labels from 0 to 1 in y_test, found 2"),
        ({"y_test": random_labels(4, 2) - 1}, "found -1"),
        ({"y_test": random_labels(4, 2) + 1}, "found 2; labels that begin at 1 are one too high"),
        ({"class_names": ("cat",)}, "at least 2 classes, found 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        dataset(**changes)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith("data set 'mine': ")


def test_a_split_puts_every_image_on_exactly_one_side() -> None:
    train, validation = split(1000, 0.1, seed=3)
    assert (len(train), len(validation)) == (900, 100)
    assert sorted([*train, *validation]) == list(range(1000))


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


@pytest.mark.parametrize("count", [8, 9])
def test_all_images_are_drawn_where_there_are_not_more(count: int) -> None:
    assert draw_evenly(np.arange(8) % 2, count, seed=0).tolist() == list(range(8))


Splits = tuple[Pixels, Labels, Pixels, Labels]
TRAIN_MEAN, TEST_MEAN = 38.71, 38.86


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset("strokes")


@pytest.fixture(scope="module")
def strokes(data: Dataset) -> Splits:
    assert data.x_train is not None and data.y_train is not None
    assert data.x_test is not None and data.y_test is not None
    return data.x_train, data.y_train, data.x_test, data.y_test


def test_strokes_is_a_data_set_of_ten_balanced_classes(data: Dataset, strokes: Splits) -> None:
    assert (data.input_shape, data.classes, data.flip) == ((28, 28, 1), 10, False)
    np.testing.assert_array_equal(np.bincount(strokes[1]), [1200] * 10)
    np.testing.assert_array_equal(np.bincount(strokes[3]), [200] * 10)


def test_no_two_images_are_the_same_within_or_between_the_splits(strokes: Splits) -> None:
    everything = np.concatenate([strokes[0], strokes[2]]).reshape(14_000, -1)
    assert len({row.tobytes() for row in everything}) == 14_000


def test_the_data_set_is_the_one_whose_figures_are_published(strokes: Splits) -> None:
    # Means of thousands of pixels: blind to the rare pixel that another CPU rounds otherwise.
    assert strokes[0].mean() == pytest.approx(TRAIN_MEAN, abs=0.05)
    assert strokes[2].mean() == pytest.approx(TEST_MEAN, abs=0.05)
