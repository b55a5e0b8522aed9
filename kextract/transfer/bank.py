"""A store of made-up images that the newest replace the oldest in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels
from kextract.datasets.pixels import unscale


class Bank:
    """Up to `size` images, uint8 (n, h, w, c)."""

    def __init__(self, size: int, image_shape: tuple[int, int, int]) -> None:
        self._images = np.zeros((size, *image_shape), np.uint8)
        self._added = 0

    @property
    def images(self) -> Pixels:
        """What is in the bank, in no particular order."""
        return self._images[: min(self._added, len(self._images))]

    def newest(self, count: int) -> Pixels:
        """Return the `count` images that were added last, or all where there are fewer."""
        count = min(count, len(self.images))
        return self._images[(self._added - 1 - np.arange(count)) % len(self._images)]

    def add(self, images: NDArray[np.float32]) -> None:
        """Store images (n, h, w, c) in [-1, 1], rounded to 256 levels."""
        size = len(self._images)
        indices = (self._added + np.arange(len(images))) % size
        self._images[indices] = unscale(images)
        self._added += len(images)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all images, and how many were ever added."""
        return {"images": self._images, "added": np.array(self._added, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Hold what `state` said."""
        self._images[:] = state["images"]
        self._added = int(state["added"])
