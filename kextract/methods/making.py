"""The method that a configuration names, ready to make images: one of all, or two of them mixed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.methods.base import Batch, Method, MethodContext, within
from kextract.methods.crops import Crops
from kextract.methods.inversion import Inversion
from kextract.methods.noise import AdversarialNoise, RandomNoise
from kextract.methods.queries import Queries
from kextract.methods.registry import method_spec
from kextract.methods.shapes import RandomShapes
from kextract.methods.stored import StoredImages
from kextract.records import Event
from kextract.seeds import Stream, seed_number

CLASSES: dict[str, type[Method]] = {
    "random": RandomNoise,
    "adversarial": AdversarialNoise,
    "shapes": RandomShapes,
    "leaves": Crops,
    "scenes": Crops,
    "inversion": Inversion,
    "queries": Queries,
    "surrogate": StoredImages,
    "real": StoredImages,
}
"""By the names of `METHODS`, which is apart because TensorFlow must not be imported for it."""


def make_method(context: MethodContext) -> Method:
    """Make the method of a context's configuration, or the mix of two."""
    if context.config.mix is not None:
        return Mixed(context)
    return CLASSES[context.config.method](context)


class Mixed(Method):
    """Batches of which one share comes from --method and the rest from --mix, in this order.

    Metrics of the second method that are columns of the first one carry its name in front:
    `adversarial/confidence`.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._parts = {
            share.method: make_method(replace(context, config=share))
            for share in shares(context.config)
        }

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        for part in self._parts.values():
            yield from part.refresh(epoch, step)

    def _make_batch(self) -> Batch:
        """Return the images of both; logits only where both have them."""
        images, logits = zip(*(part.batch() for part in self._parts.values()), strict=True)
        joined = tf.concat(images, axis=0)
        if any(part is None for part in logits):
            return Batch(joined)
        return Batch(joined, tf.concat(logits, axis=0))

    def metrics(self) -> dict[str, float]:
        """Return the metrics of both."""
        (first, one), (second, other) = self._parts.items()
        columns = method_spec(first).columns
        return {
            **{
                f"{second}/{name}" if name in columns else name: value
                for name, value in other.metrics().items()
            },
            **one.metrics(),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state of both, the names with the method in front."""
        return {
            f"{method}/{name}": value
            for method, part in self._parts.items()
            for name, value in part.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue both from what `state` returned."""
        for method, part in self._parts.items():
            part.restore(within(state, method))


def shares(config: DistillConfig) -> tuple[DistillConfig, DistillConfig]:
    """Return the configuration of each of two mixed methods: its share of a batch, its own seed."""
    assert config.mix is not None, "the configuration is that of a mix"
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
