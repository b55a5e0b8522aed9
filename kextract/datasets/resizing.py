"""Images brought to another size and to another number of channels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.datasets.dataset import Images

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""
CHUNK_BYTES = 1 << 26
"""Most that the images of one step take as floats, bytes."""


def fitted(images: Images, shape: tuple[int, int, int]) -> Images:
    """Bring uint8 images (n, h, w, 1 or 3) to uint8 (n, *shape).

    Size: bilinear, and averaged over the area that becomes a pixel where an image shrinks. Colour
    becomes grey by its luma, grey becomes colour by having it three times.
    """
    if images.shape[1:] == shape:
        return images
    result = np.empty((len(images), *shape), np.uint8)
    largest = max(int(np.prod(images.shape[1:])), int(np.prod(shape)))
    step = max(1, CHUNK_BYTES // (4 * largest))
    for first in range(0, len(images), step):
        result[first : first + step] = _fit(images[first : first + step], shape)
    return result


def _fit(images: Images, shape: tuple[int, int, int]) -> Images:
    pixels: NDArray[Any] = images
    if images.shape[-1] == 3 and shape[-1] == 1:
        pixels = images.astype(np.float32) @ np.array(LUMA, np.float32)[:, None]
    if pixels.shape[1:3] != shape[:2]:
        runtime.start()
        import tensorflow as tf

        pixels = tf.image.resize(pixels, shape[:2], antialias=True).numpy()
    # Grey images have one channel by now, which is the same in all of the result's.
    rounded: Images = np.rint(np.clip(pixels, 0.0, 255.0)).astype(np.uint8)
    return rounded
