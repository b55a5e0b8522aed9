from typing import Any

import numpy as np
import pytest

from kextract.datasets.images import fitted
from tests.datasets.images import random_images


def weights(before: int, after: int) -> Any:
    """What each old pixel counts in each new one, (after, before).

    A triangle around the new pixel's centre, two old pixels wide or as many as become one.
    """
    scale = before / after
    centres = (np.arange(after)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(before)[None, :] + 0.5 - centres) / max(scale, 1.0)
    triangle = np.maximum(0.0, 1.0 - distance)
    return triangle / triangle.sum(axis=1, keepdims=True)


def resized(images: Any, height: int, width: int) -> Any:
    rows, columns = weights(images.shape[1], height), weights(images.shape[2], width)
    return np.einsum("nhwc,yh,xw->nyxc", images, rows, columns)


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (40, 20), (9, 31), (100, 70), (16, 28), (1, 1)]
)
def test_images_are_resized_by_a_triangle_as_wide_as_what_becomes_a_pixel(
    height: int, width: int
) -> None:
    images = random_images(3, height, width, 1)
    expected = resized(images.astype(np.float64), 16, 28)
    np.testing.assert_allclose(fitted(images, (16, 28, 1)).astype(float), expected, atol=0.51)


def test_colour_becomes_grey_by_its_luma() -> None:
    primaries = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
    grey = fitted(primaries.reshape(4, 1, 1, 3), (1, 1, 1))
    assert grey.ravel().tolist() == [76, 150, 29, 255]


def test_grey_becomes_colour_that_is_grey() -> None:
    images = random_images(2, 16, 16, 1)
    np.testing.assert_array_equal(fitted(images, (16, 16, 3)), np.repeat(images, 3, axis=3))
    colour = fitted(images, (20, 20, 3))
    np.testing.assert_array_equal(colour[..., 0], colour[..., 2])


def test_size_and_colour_change_together() -> None:
    images = random_images(2, 40, 30, 3)
    luma = images @ np.array([0.299, 0.587, 0.114])
    expected = resized(luma[..., None], 16, 16)
    np.testing.assert_allclose(fitted(images, (16, 16, 1)).astype(float), expected, atol=0.51)


def test_images_that_fit_stay_as_they_are() -> None:
    images = random_images(2, 16, 16, 3)
    np.testing.assert_array_equal(fitted(images, (16, 16, 3)), images)
