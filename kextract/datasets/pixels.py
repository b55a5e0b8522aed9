"""What the models see: pixels scaled to [-1, 1]."""

import numpy as np
from numpy.typing import NDArray


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map uint8 images of any shape to float32 in [-1, 1], as (x - 127.5) / 127.5."""
    scaled = images.astype(np.float32)
    scaled -= 127.5
    scaled /= 127.5
    return scaled


def unscale(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map floats in [-1, 1] to the nearest uint8, clipping what lies outside: undoes `scale`."""
    levels: NDArray[np.float32] = np.rint(np.clip(images, -1.0, 1.0) * 127.5 + 127.5)
    return levels.astype(np.uint8)
