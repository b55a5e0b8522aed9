"""A network of the user's own that is to be trained, out of a file or in memory.

What is trained maps images in [-1, 1] to logits: one that ends in a softmax is trained without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.errors import RequestError
from kextract.foreign.keras import load_archive
from kextract.models.heads import SeveralOutputsError
from kextract.records import Event

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class OwnNetwork:
    """A network to train, and the one that the user gave where that is another."""

    network: "keras.Model"
    """Float32 images (n, h, w, c) in [-1, 1] to logits (n, k)."""
    inside: "keras.Model | None" = None
    """A copy of `given` without its last operation, within `network`."""
    given: "keras.Model | None" = None

    def following(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass a training's events on; however it ends, the given network has learnt as much."""
        try:
            yield from events
        finally:
            if self.given is not None and self.inside is not None:
                self.given.set_weights(self.inside.get_weights())


def own_network(
    where: "Path | keras.Model",
    flag: str,
    input_shape: tuple[int, int, int],
    classes: int,
    precision: str,
) -> OwnNetwork:
    """Take a network as it is to be trained. Raises RequestError, by `flag`, for an unfit one."""
    try:
        found = _out_of_file(where, precision) if isinstance(where, Path) else _in_memory(where)
    except SeveralOutputsError as error:
        listed = ", ".join(f"{name} ({size})" for name, size in error.sizes.items())
        raise RequestError(
            f"{flag}: the network has {len(error.sizes)} outputs, {listed}; give one that has one"
        ) from error
    network = found.network
    if (network.input_shape, network.output_shape) != ((None, *input_shape), (None, classes)):
        raise RequestError(
            f"{flag}: the network takes {network.input_shape} and gives {network.output_shape};"
            f" expected {(None, *input_shape)} and {(None, classes)}"
        )
    return found


def _out_of_file(path: Path, precision: str) -> OwnNetwork:
    network, _ = load_archive(path, precision=precision)
    return OwnNetwork(network)


def _in_memory(model: "keras.Model") -> OwnNetwork:
    from kextract.foreign.keras.classifier import in_memory

    found = in_memory(model)
    if found.head.given == "logits" and found.network is model:
        return OwnNetwork(model)
    return OwnNetwork(found.classifier, found.network, model if found.is_copy else None)
