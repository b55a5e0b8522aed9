from typing import Any

import numpy as np
import pytest

from kextract.reports import class_grid, image_grid


def test_images_go_row_by_row_with_white_between_and_after_them() -> None:
    images = np.array([10, 20, 30], np.uint8).reshape(3, 1, 1, 1)
    assert image_grid(images, columns=2, gap=1)[..., 0].tolist() == [
        [10, 255, 20],
        [255, 255, 255],
        [30, 255, 255],
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_from_minus_one_to_one_become_bytes(dtype: type[np.floating[Any]]) -> None:
    images = np.array([-1.0, 0.0, 1.0, -7.0, 7.0, np.nan], dtype).reshape(1, 1, 6, 1)
    assert image_grid(images, columns=1).ravel().tolist() == [0, 128, 255, 0, 255, 0]


def test_a_class_has_a_row_and_its_first_images_are_in_it() -> None:
    images = np.array([10, 20, 30, 40, 50], np.uint8).reshape(5, 1, 1, 1)
    grid = class_grid(images, np.array([2, 0, 2, 2, 0]), classes=3, columns=2, gap=0)
    assert grid[..., 0].tolist() == [[20, 50], [255, 255], [10, 30]]
