"""What every source of transfer images has in common."""

from typing import Protocol

import tensorflow as tf


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
