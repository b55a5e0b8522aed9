"""What every source of transfer images has in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import keras
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.streamed import StoredPixels
from kextract.models.axes import Shape
from kextract.records import Event
from kextract.teachers.asking import Asking
from kextract.teachers.ledger import Heading
from kextract.transfer.crafting import Classifier

T = TypeVar("T")


@dataclass(frozen=True)
class SourceContext:
    """What there is to make transfer images from."""

    classifier: Classifier | None
    """The frozen teacher as a function from images (n, h, w, c) to logits (n, k).

    None, as `teacher`, for a black box: see `asking`.
    """
    teacher: keras.Model | None
    student: keras.Model | None
    """None where nobody is taught; nothing is then made to look for gaps in its knowledge."""
    config: DistillConfig
    images: StoredPixels | None = None
    """Given images (n, h, w, c), for the methods that need some."""
    asking: Asking | None = None
    """A teacher with the ledger of what it was asked, for the methods that ask."""

    @property
    def required_classifier(self) -> Classifier:
        """The frozen teacher as a function, for methods that need one at hand."""
        assert self.classifier is not None, "the run was told that this needs a teacher at hand"
        return self.classifier

    @property
    def input_shape(self) -> Shape:
        """Height, width and channels of an image."""
        if self.teacher is None:
            return self._heading.input_shape
        height, width, channels = self.teacher.input_shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """How many classes the teacher knows."""
        return self._heading.classes if self.teacher is None else int(self.teacher.output_shape[-1])

    @property
    def _heading(self) -> Heading:
        assert self.asking is not None, "there is a teacher of some kind"
        return self.asking.ledger.heading


class Batch(NamedTuple):
    """Images to teach with and, where it is known already, what the teacher says of them."""

    images: tf.Tensor
    """float32 (n, h, w, c), meant for the range [-1, 1]."""
    logits: tf.Tensor | None = None
    """float32 (n, k): the targets; None where the teacher is to be asked."""


def as_batch(batch: tf.Tensor | Batch) -> Batch:
    """Return what a source's `batch` gave, bare images too, as a `Batch`."""
    return batch if isinstance(batch, Batch) else Batch(batch)


class TransferSource(Protocol):
    """Makes the images that a student is taught with.

    The student loop calls `refresh`, then `batch`, for every update.
    """

    def refresh(self, epoch: int, step: int) -> Iterable[Event]:
        """Do what is due before update `step` (from 0) of `epoch` (from 1).

        What takes long is done while the result is iterated over, which tells its progress.
        """

    def batch(self) -> tf.Tensor | Batch:
        """Return the next batch: images as in `Batch`, alone or with the teacher's logits."""

    def metrics(self) -> dict[str, float]:
        """Return what there is to say about the images since the last call, by name."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return all that the source remembers from one epoch to the next, by name.

        Asked for after the last update of an epoch. Names, shapes and dtypes are always the same;
        what follows from (seed, epoch, step) is no part of it.
        """

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` said; the next epoch then comes out as it would have."""


def within(named: Mapping[str, T], group: str) -> dict[str, T]:
    """Return the entries of a group, `group/name`, by their names within it."""
    start = f"{group}/"
    return {name.removeprefix(start): v for name, v in named.items() if name.startswith(start)}
