"""Images in memory: arrays of pixels, and labelled ones as loops take them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""Images (n, h, w, c), or one (h, w, c); c is 1 or 3."""
Labels = npt.NDArray[np.int64]
"""Class indices (n,)."""
ENOUGH_IMAGES = 100
"""With fewer labelled images, accuracies that are points apart may be equal."""


@dataclass(frozen=True)
class Images:
    """One part of a data set: uint8 images (n, h, w, c) and int labels (n,)."""

    x: Pixels
    y: npt.NDArray[np.integer[Any]]
