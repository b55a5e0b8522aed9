"""What every method has in common: what it is made from, and what it gives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.image_files import StoredPixels
from kextract.datasets.images import Pixels, unscale
from kextract.models.axes import Shape
from kextract.records import Event
from kextract.seeds import Stream, random_generator
from kextract.teachers.asking import BudgetedTeacher
from kextract.teachers.ledger import Heading

T = TypeVar("T")
Classifier = Callable[[tf.Tensor], tf.Tensor]
"""Images (n, h, w, c) in [-1, 1] to logits (n, k)."""


@dataclass(frozen=True)
class MethodContext:
    """All that a method can make images from."""

    classifier: Classifier | None
    """The frozen teacher as a function. None, as `teacher`, for a black box: see `asking`."""
    teacher: keras.Model | None
    student: keras.Model | None
    """None where no student is taught; then nothing looks for gaps in its knowledge."""
    config: DistillConfig
    images: Mapping[str, StoredPixels] = field(default_factory=dict)
    """Images (n, h, w, c) by the name of the method that needs them."""
    asking: BudgetedTeacher | None = None
    """A teacher with the ledger of its responses, for methods that work under a budget."""
    by_label: bool = False
    """Whether the teacher says of each label on its own whether an image has it."""

    @property
    def required_classifier(self) -> Classifier:
        """The frozen teacher as a function, for methods that cannot do without it."""
        assert self.classifier is not None, "black boxes were refused before the run began"
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
        assert self.asking is not None, "without a network there is a teacher to ask"
        return self.asking.ledger.heading


class Batch(NamedTuple):
    """Images to teach with and, where they are known already, the teacher's logits."""

    images: tf.Tensor
    """float32 (n, h, w, c), meant for the range [-1, 1]."""
    logits: tf.Tensor | None = None
    """float32 (n, k); None where the teacher has yet to see the images."""


class Method(ABC):
    """Makes the images that a student is taught with.

    The student loop calls `refresh`, then `batch`, for every update. A method overrides
    `_make_batch`, and of the others what it needs.
    """

    def __init__(self, context: MethodContext) -> None:
        self._config = context.config
        self._step = (0, 0)
        self._first_images: tf.Tensor | None = None

    def refresh(self, epoch: int, step: int) -> Iterable[Event]:
        """Do what is due before update `step` (from 0) of `epoch` (from 1).

        What takes long is done while the result is iterated over, which yields its progress.
        """
        self._step = (epoch, step)
        return self._prepare(epoch, step)

    def batch(self) -> Batch:
        """Return the images of the update that `refresh` was called for."""
        batch = self._make_batch()
        if self._step[1] == 0:
            self._first_images = batch.images
        return batch

    def samples(self, count: int) -> Pixels:
        """Return up to `count` images to look at, (n, h, w, c): by default the epoch's first ones.

        Nothing that comes after is changed by it.
        """
        assert self._first_images is not None, "called after an epoch"
        return unscale(self._first_images[:count].numpy())

    def metrics(self) -> dict[str, float]:
        """Return metrics of the images since the last call, by name."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return all that must be known to continue with the next epoch, by name.

        Called after the last update of an epoch. Names, shapes and dtypes are always the same; what
        follows from (seed, epoch, step) does not belong to it.
        """
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 - most have no state
        """Continue from what `state` returned: the next epoch is as it would have been."""

    def _prepare(self, epoch: int, step: int) -> Iterable[Event]:
        return ()

    @abstractmethod
    def _make_batch(self) -> Batch: ...

    def _random(self) -> np.random.Generator:
        """Return the random numbers of this update's batch, which no other batch can move."""
        return random_generator(Stream.BATCH, self._config.seed, *self._step)


def within(named: Mapping[str, T], group: str) -> dict[str, T]:
    """Return the entries of a group, `group/name`, by their names within it."""
    start = f"{group}/"
    return {name.removeprefix(start): v for name, v in named.items() if name.startswith(start)}
