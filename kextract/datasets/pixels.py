"""What the models see: pixels scaled to [-1, 1]."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MIDDLE = 127.5


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
