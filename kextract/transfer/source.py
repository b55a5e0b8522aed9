"""What every source of transfer images has in common."""

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf
from numpy.typing import NDArray


class TransferSource(Protocol):
    """Makes the images that a student is taught with, without any data.

    The student loop calls `refresh`, then `batch`, for every update.
    """

    def refresh(self, epoch: int, step: int) -> None:
        """Do what is due before update `step` (from 0) of `epoch` (from 1)."""

    def batch(self) -> tf.Tensor:
        """Return the next batch: float32 images (n, h, w, c), meant for the range [-1, 1]."""

    def figures(self) -> dict[str, float]:
        """Return what there is to say about the images since the last call, by name."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return all that the source remembers from one epoch to the next, by name.

        Asked for after the last update of an epoch. Names, shapes and dtypes are always the same;
        what follows from (seed, epoch, step) is no part of it.
        """

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` said; the next epoch then comes out as it would have."""
