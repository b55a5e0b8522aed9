import numpy as np

from kextract.datasets.images import scale


def test_pixels_are_scaled_to_minus_one_to_one() -> None:
    scaled = scale(np.array([[0, 51, 255]], dtype=np.uint8))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[-1.0, -0.6, 1.0]], rtol=1e-6)


def test_scaling_leaves_the_images_alone() -> None:
    images = np.arange(256, dtype=np.uint8)
    scale(images)
    np.testing.assert_array_equal(images, np.arange(256))
