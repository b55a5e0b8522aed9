"""Labelled images as loops take them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Images:
    """One part of a data set: uint8 images (n, h, w, c) and int labels (n,)."""

    x: npt.NDArray[np.uint8]
    y: npt.NDArray[np.integer[Any]]
