"""Random shifts and mirror images, drawn from a seed, inside or outside a `tf.function`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def augment(images: "tf.Tensor", *, shift: int, flip: bool, seed: "tf.Tensor") -> "tf.Tensor":
    """Shift every image by up to `shift` pixels along each axis, and mirror half of them.

    `images` is (n, h, w, c) of any float type; n may be unknown, h and w may not. What a shift
    uncovers is filled by reflection at the border, which continues both plain grounds and textures.
    `seed` is int32 (2,): the same seed gives the same result. Mirroring is left to right, with
    probability 1/2, only with `flip`. Raises ValueError unless 0 <= shift < min(h, w).
    """
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    if not 0 <= shift < min(height, width):
        raise ValueError(f"shift: expected 0 to {min(height, width) - 1} pixels, found {shift}")
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
