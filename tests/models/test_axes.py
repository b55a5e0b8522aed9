"""Images are found in the axes that networks take them in."""

from typing import Any

import numpy as np
import pytest

from kextract.models.axes import arranged, image_shape

IMAGES: Any = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ((32, 24, 3), (32, 24, 3)),
        ((3, 32, 24), (32, 24, 3)),
        ((28, 28), (28, 28, 1)),
        ((784,), (28, 28, 1)),
        ((3072,), (32, 32, 3)),
        ((None, None, 3), None),
        ((2, 3, 32, 32), None),
    ],
)
def test_axes_tell_the_shape_of_images(axes: Any, shape: Any) -> None:
    assert image_shape(axes) == shape


def test_a_pixel_is_found_where_the_axes_have_it() -> None:
    row, column, channel = 3, 1, 2
    pixel = IMAGES[1, row, column, channel]
    assert arranged(IMAGES, (4, 5, 3))[1, row, column, channel] == pixel
    assert arranged(IMAGES, (3, 4, 5))[1, channel, row, column] == pixel
    assert arranged(IMAGES, (60,))[1, (row * 5 + column) * 3 + channel] == pixel
    assert arranged(IMAGES[..., :1], (4, 5))[1, row, column] == IMAGES[1, row, column, 0]
