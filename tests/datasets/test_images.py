from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import augment, fitted, scale
from tests.datasets.images import random_images

SEED = [1, 2]


def images(count: int = 200) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 10, 3)).astype(np.float32)


def outcomes(image: NDArray[np.float32], shift: int, flip: bool) -> list[NDArray[np.float32]]:
    """List every permitted result for one image, padded and cropped by NumPy."""
    height, width, _ = image.shape
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
    crops = [
        padded[top : top + height, left : left + width]
        for top in range(2 * shift + 1)
        for left in range(2 * shift + 1)
    ]
    return crops + [crop[:, ::-1] for crop in crops if flip]


def matches(shift: int, flip: bool, count: int) -> NDArray[np.bool_]:
    """Tell which permitted result each of many images became: (images, results)."""
    before = images(count)
    after = augment(tf.constant(before), shift=shift, flip=flip, seed=tf.constant(SEED)).numpy()
    permitted = np.stack([outcomes(image, shift, flip) for image in before])
    same: NDArray[np.bool_] = (permitted == after[:, None]).all(axis=(2, 3, 4))
    return same


@pytest.mark.parametrize(("shift", "flip"), [(2, False), (0, True), (7, False)])
def test_every_result_is_the_image_shifted_and_reflected_at_the_border(
    shift: int, flip: bool
) -> None:
    assert matches(shift, flip, count=100).any(axis=1).all()


def test_every_shift_and_its_mirror_image_occur() -> None:
    assert matches(2, flip=True, count=600).any(axis=0).all()


def test_it_works_in_a_graph_of_unknown_batch_size_and_in_bfloat16() -> None:
    graph = tf.function(
        lambda batch: augment(batch, shift=2, flip=True, seed=tf.constant(SEED)),
        input_signature=[tf.TensorSpec((None, 8, 10, 3), tf.bfloat16)],
    )
    batch = tf.cast(tf.constant(images()), tf.bfloat16)
    expected = augment(batch, shift=2, flip=True, seed=tf.constant(SEED))
    assert graph(batch).dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(graph(batch), tf.float32), tf.cast(expected, tf.float32))


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


@pytest.mark.parametrize(("height", "width"), [(40, 20), (9, 31), (100, 70), (1, 1)])
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


def test_pixels_are_scaled_to_minus_one_to_one() -> None:
    scaled = scale(np.array([[0, 51, 255]], dtype=np.uint8))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[-1.0, -0.6, 1.0]], rtol=1e-6)
