"""Batches of which one share comes from one method and the rest from another."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.records import Event
from kextract.seeds import Stream, seed_number
from kextract.transfer.source import Batch, TransferSource, as_batch, within


class Mixed:
    """Two sources, by the names of their methods; the first one's images come first in a batch.

    Metrics of the second one that have one of the first one's `columns` carry its method in front:
    `adversarial/confidence`.
    """

    def __init__(self, parts: Mapping[str, TransferSource], columns: Collection[str]) -> None:
        self._parts = dict(parts)
        self._columns = columns

    def refresh(self, epoch: int, step: int) -> Iterator[Event]:
        """Do what is due in both."""
        for part in self._parts.values():
            yield from part.refresh(epoch, step)

    def batch(self) -> tf.Tensor | Batch:
        """Return the images of both, n being their sum; with logits where both have them."""
        images, logits = zip(
            *(as_batch(part.batch()) for part in self._parts.values()), strict=True
        )
        joined = tf.concat(images, axis=0)
        if any(part is None for part in logits):
            return joined
        return Batch(joined, tf.concat(logits, axis=0))

    def metrics(self) -> dict[str, float]:
        """Return the metrics of both."""
        (_, one), (second, other) = self._parts.items()
        return {
            **{
                f"{second}/{name}" if name in self._columns else name: value
                for name, value in other.metrics().items()
            },
            **one.metrics(),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what both remember, the names with the method in front."""
        return {
            f"{method}/{name}": value
            for method, part in self._parts.items()
            for name, value in part.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Give both their memory back."""
        for method, part in self._parts.items():
            part.restore(within(state, method))


def shares(config: DistillConfig) -> tuple[DistillConfig, DistillConfig]:
    """Return what each of the two methods is asked for: its share of a batch, and its own seed."""
    assert config.mix is not None, "the configuration is one of a mix"
    one, other = config.batch_shares
    return (
        replace(config, mix=None, batch_size=one),
        replace(
            config,
            method=config.mix,
            mix=None,
            batch_size=other,
            seed=seed_number(Stream.MIX, config.seed),
        ),
    )
