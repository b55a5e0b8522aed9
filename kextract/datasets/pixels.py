"""What the models see: pixels scaled to [-1, 1]."""

import numpy as np
from numpy.typing import NDArray


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map uint8 images of any shape to float32 in [-1, 1], as (x - 127.5) / 127.5."""
    scaled = images.astype(np.float32)
    scaled -= 127.5
    scaled /= 127.5
    return scaled
