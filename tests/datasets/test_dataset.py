from typing import Any

import numpy as np
import pytest

from kextract.datasets.dataset import Dataset
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


def test_a_data_set_tells_its_shape_and_its_number_of_classes() -> None:
    assert dataset().input_shape == (16, 20, 3)
    assert dataset().classes == 2


def test_user_data_is_not_mirrored_by_default() -> None:
    assert dataset().flip is False


@pytest.mark.parametrize("half", ["train", "test"])
def test_either_half_may_be_missing(half: str) -> None:
    assert dataset(**{f"x_{half}": None, f"y_{half}": None}).input_shape == (16, 20, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": None, "y_train": None, "x_test": None, "y_test": None}, "found neither"),
        ({"y_test": None}, "found no y_test"),
        ({"x_test": None}, "found no x_test"),
        ({"x_test": np.zeros((4, 16, 20, 3), np.float32)}, "found float32 4x16x20x3"),
        ({"x_test": random_images(4, 16, 20)}, "uint8 (n, h, w, c)"),
        ({"x_test": random_images(4, 16, 20, 4)}, "found 16x20x4"),
        ({"x_test": random_images(4, 15, 20, 3)}, "at least 16x16 pixels, found 15x20"),
        ({"x_test": random_images(4, 16, 20, 1)}, "found 16x20x3 and 16x20x1"),
        ({"x_test": random_images(0, 16, 20, 3), "y_test": random_labels(0, 2)}, "at least one"),
        ({"y_test": random_labels(3, 2)}, "expected y_test as 4 int64 labels"),
        ({"y_test": random_labels(4, 2).astype(np.int32)}, "found int32"),
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


def test_a_refusal_names_the_source_on_one_line() -> None:
    with pytest.raises(DatasetError, match=r"^a\\nb\.npz: expected"):
        dataset(class_names=(), source="a\nb.npz")
