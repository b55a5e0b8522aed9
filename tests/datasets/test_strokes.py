import numpy as np
import pytest

from kextract.datasets.dataset import Dataset
from kextract.datasets.images import Labels, Pixels
from kextract.datasets.loading import load_dataset
from kextract.datasets.strokes import draw_digits

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


def test_the_same_seed_draws_the_same_images_and_another_seed_others() -> None:
    first, again, other = (draw_digits(300, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).mean() > 0.5


def test_no_two_images_are_the_same_within_or_between_the_splits(strokes: Splits) -> None:
    everything = np.concatenate([strokes[0], strokes[2]]).reshape(14_000, -1)
    assert len({row.tobytes() for row in everything}) == 14_000


def test_the_data_set_is_the_one_whose_figures_are_published(strokes: Splits) -> None:
    # Means of thousands of pixels: blind to the rare pixel that another CPU rounds otherwise.
    assert strokes[0].mean() == pytest.approx(TRAIN_MEAN, abs=0.05)
    assert strokes[2].mean() == pytest.approx(TEST_MEAN, abs=0.05)
