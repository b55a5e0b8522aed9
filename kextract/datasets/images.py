"""Images in memory: pixels, what models see of them, other sizes, shifts and mirror images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf


Pixels = NDArray[np.uint8]
"""Images (n, h, w, c), or one (h, w, c); c is 1 or 3."""
Labels = NDArray[np.int64]
"""Class indices (n,)."""
ENOUGH_IMAGES = 100
"""With fewer labelled images, accuracies that are points apart may be equal."""

_MIDDLE = 127.5
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""


@dataclass(frozen=True)
class Images:
    """One part of a data set: uint8 images (n, h, w, c) and int labels (n,)."""

    x: Pixels
    y: NDArray[np.integer[Any]]


def centred(pixels: Any) -> Any:
    """Map floats from 0 to 255, an array or a tensor, to [-1, 1], as (x - 127.5) / 127.5."""
    return (pixels - _MIDDLE) / _MIDDLE


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map uint8 images of any shape to float32 in [-1, 1]."""
    scaled: NDArray[np.float32] = centred(images.astype(np.float32))
    return scaled


def unscale(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Map floats in [-1, 1] to the nearest uint8, clipping what lies outside: undoes `scale`."""
    levels: NDArray[np.floating] = np.rint(np.clip(images, -1.0, 1.0) * _MIDDLE + _MIDDLE)
    return levels.astype(np.uint8)


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
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))


def augment(images: "tf.Tensor", *, shift: int, flip: bool, seed: "tf.Tensor") -> "tf.Tensor":
    """Shift every image by up to `shift` pixels along each axis, and mirror half of them.

    `images` is (n, h, w, c) of any float type; n may be unknown, h and w may not. What a shift
    uncovers is filled by reflection at the border, which continues both plain grounds and textures.
    `seed` is int32 (2,): the same seed gives the same result. Mirroring is left to right, with
    probability 1/2, only with `flip`. `shift` is smaller than both sides.
    """
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    if not (shift or flip):
        return images
    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform((count, 3), seed)
    offsets = tf.cast(tf.floor(draws[:, :2] * (2 * shift + 1)), tf.int32) - shift
    rows = _reflect(tf.range(height) + offsets[:, :1], height)
    columns = _reflect(tf.range(width) + offsets[:, 1:], width)
    if flip:
        columns = tf.where(draws[:, 2:] < 0.5, width - 1 - columns, columns)
    # One gather of whole pixels is faster than padding and cropping, or than a gather per axis.
    indices = tf.reshape(rows[:, :, None] * width + columns[:, None, :], (count, height * width))
    pixels = tf.reshape(images, (count, height * width, channels))
    moved = tf.gather(pixels, indices, batch_dims=1)
    return tf.reshape(moved, (count, height, width, channels))


def _reflect(index: "tf.Tensor", size: int) -> "tf.Tensor":
    """Send indices beyond a border back inside, the border itself not repeated."""
    import tensorflow as tf

    return size - 1 - tf.abs(size - 1 - tf.abs(index))
