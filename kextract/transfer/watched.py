"""Looking at the images of a source while a student is taught, without changing them."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.pixels import unscale
from kextract.records import Event
from kextract.transfer.source import Batch, TransferSource, as_batch


@runtime_checkable
class Drawing(Protocol):
    """A source that has images to show that are better than those of a batch."""

    def samples(self, count: int) -> NDArray[np.uint8]:
        """Return up to `count` images (n, h, w, c); nothing that comes after is changed by it."""


class Watched:
    """A source that remembers the first batch of each epoch."""

    def __init__(self, source: TransferSource) -> None:
        self._source = source
        self._is_first = False
        self._batch: tf.Tensor | None = None

    def samples(self, count: int) -> NDArray[np.uint8]:
        """Return the source's own samples, else the epoch's first images: uint8 (n, h, w, c)."""
        if isinstance(self._source, Drawing):
            return self._source.samples(count)
        assert self._batch is not None, "asked for after an epoch"
        return unscale(self._batch[:count].numpy())

    def refresh(self, epoch: int, step: int) -> Iterable[Event]:
        """Do what is due in the source."""
        self._is_first = step == 0
        return self._source.refresh(epoch, step)

    def batch(self) -> tf.Tensor | Batch:
        """Return the source's next batch."""
        batch = self._source.batch()
        if self._is_first:
            self._batch = as_batch(batch).images
        return batch

    def metrics(self) -> dict[str, float]:
        """Return the source's metrics."""
        return self._source.metrics()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return what the source remembers; a batch to look at is no part of it."""
        return self._source.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Give the source its memory back."""
        self._source.restore(state)
