"""Images brought to another size and to another number of channels."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kextract.datasets.images import Pixels

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""


def fitted(images: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Bring uint8 images (n, h, w, 1 or 3) to uint8 (n, *shape).

    Size: bilinear, and averaged over the area that becomes a pixel where an image shrinks. Colour
    becomes grey by its luma, grey becomes colour by having it three times.
    """
    if images.shape[1:] == shape:
        return images
    result = np.empty((len(images), *shape), np.uint8)
    for target, image in zip(result, images, strict=True):
        if image.shape[-1] == 3 and shape[-1] == 1:
            image = image @ np.array(LUMA, np.float32)[:, None]
        for channel in range(shape[-1]):
            # A grey image has one channel, which is the same in all of the result's.
            pixels = image[..., min(channel, image.shape[-1] - 1)].astype(np.float32)
            target[..., channel] = np.rint(_resized(pixels, shape[:2])).clip(0, 255)
    return result


def _resized(pixels: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize float32 (h, w); bytes would be rounded twice."""
    if pixels.shape == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
