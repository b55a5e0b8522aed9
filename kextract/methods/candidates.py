"""Candidates: the images that questions are selected from, of three kinds."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.images import Pixels, fitted, unscale
from kextract.graph import compiled
from kextract.methods.auto import are_drawings
from kextract.methods.canvases import CROP_PARAMETERS, SMALLEST_AREA, Cutter
from kextract.methods.leaves import like_missing_classes, paint_canvases
from kextract.methods.shapes import draw_shapes
from kextract.models.axes import Shape
from kextract.records import Event
from kextract.seeds import Stream, random_generator

COLLAGES = 0.5
"""Share of crops that a part of another crop is pasted into."""
LIKE_RARE = 0.5
"""Share of crops that are like those nearest to classes that are rare."""
REMEMBERED = 4096
"""Crops that others are made like."""

Floats = NDArray[np.floating]


class Candidates(ABC):
    """Draws images that may become questions.

    They follow from the random numbers and from the predictions of the same round.
    """

    def begin(self, epoch: int) -> Iterable[Event]:
        """Begin a round: make what images are drawn from, if it is missing; forget predictions."""
        return ()

    @abstractmethod
    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Return uint8 (count, h, w, c), none of which has a `fingerprint` in `known`."""

    def observe(self, probabilities: Floats) -> None:  # noqa: B027 - not all kinds can use them
        """Draw more of rare classes, by the predictions (count, k) of the images drawn last."""


def make_candidates(config: DistillConfig, shape: Shape, canvases: Pixels | None) -> Candidates:
    """Make the candidates of a configuration: given ones, those it names, or those that suit.

    `shape` is that of the teacher's images; `canvases` are given images, see `GivenCandidates`.
    """
    kind = config.queries.questions
    if canvases is not None:
        return GivenCandidates(canvases, shape)
    if kind == "shapes" or (kind is None and are_drawings(shape)):
        return ShapeCandidates(shape)
    return LeafCandidates(shape, config.seed, config.queries.query_budget)


def fingerprint(image: Pixels) -> int:
    """Return a number that tells an image from others, within this process."""
    return hash(image.tobytes())


class ShapeCandidates(Candidates):
    """Blobs and strokes, of which no two are equal."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Draw shapes."""
        draw = _compile_draw((count, *self._shape))
        return unscale(draw(random.integers(0, 2**31, 2, np.int32)).numpy())


class Crops:
    """Crops of canvases, more of those that look like rare classes."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self.forget()

    def forget(self) -> None:
        """Cut anywhere again."""
        self._last = self._parameters = np.empty((0, CROP_PARAMETERS))
        self._probabilities: Floats | None = None

    def cut(self, random: np.random.Generator, count: int) -> Pixels:
        """Return uint8 (count, h, w, c); `COLLAGES` of them hold a part of the next one."""
        parameters = random.random((count, CROP_PARAMETERS))
        if self._probabilities is not None:
            some = int(count * LIKE_RARE)
            parameters[:some] = like_missing_classes(
                random, self._parameters, self._probabilities, some
            )
        self._last = random.permutation(parameters)
        crops = self._cutter.cut(self._last)
        inside = random.random((count, 1, 1)) < COLLAGES
        for axis in (1, 2):
            size = crops.shape[axis]
            side = size * random.uniform(0.25, 0.75, (count, 1))
            rows = np.arange(size) + 0.5 - (size - side) * random.random((count, 1))
            inside = inside & np.expand_dims((rows > 0) & (rows < side), 3 - axis)
        pasted: Pixels = np.where(inside[..., None], np.roll(crops, 1, axis=0), crops)
        return pasted

    @property
    def count(self) -> int:
        """How many were cut last."""
        return len(self._last)

    def observe(self, probabilities: Floats) -> None:
        """Remember the predicted probabilities (n, k) of the crops that were cut last."""
        before = probabilities[:0] if self._probabilities is None else self._probabilities
        self._probabilities = np.concatenate([before, probabilities])[-REMEMBERED:]
        self._parameters = np.concatenate([self._parameters, self._last])[-REMEMBERED:]


class LeafCandidates(Candidates):
    """Crops of dead leaves, of which no two are equal."""

    def __init__(self, shape: Shape, seed: int, count: int) -> None:
        """Take the shape of the images and how many of them become questions."""
        self._shape, self._seed, self._count = shape, seed, count
        self._crops: Crops | None = None

    def begin(self, epoch: int) -> Iterator[Event]:
        """Paint the canvases in the first round."""
        if self._crops is None:
            random = random_generator(Stream.LEAVES, self._seed)
            canvases = yield from paint_canvases(random, self._count, self._shape[-1], epoch)
            self._crops = Crops(Cutter(canvases, *self._shape[:2]))
        self._crops.forget()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Cut crops."""
        assert self._crops is not None, "begun before"
        return self._crops.cut(random, count)

    def observe(self, probabilities: Floats) -> None:
        """Cut more like those of rare classes."""
        assert self._crops is not None, "begun before"
        self._crops.observe(probabilities)


class GivenCandidates(Candidates):
    """Given images: as they are while there are enough to select from, then also crops."""

    def __init__(self, canvases: Pixels, shape: Shape) -> None:
        """Take squares (n, side, side, c) and the shape of the images that are drawn."""
        self._images = fitted(canvases, shape)
        numbers = np.array([fingerprint(image) for image in self._images])
        self._numbers, self._indices = np.unique(numbers, return_index=True)
        height, width = shape[:2]
        # Crops neither are enlarged much nor all show the same part of an image.
        area = np.clip(height * width / canvases.shape[1] ** 2 / 2, SMALLEST_AREA, 0.25)
        self._crops = Crops(Cutter(canvases, height, width, float(area)))

    def begin(self, epoch: int) -> tuple[()]:
        """Forget the predictions."""
        self._crops.forget()
        return ()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Draw images that were not questions yet, and cut crops where they are too few."""
        fresh = self._indices[[number not in known for number in self._numbers.tolist()]]
        # By index: fingerprints differ between processes.
        whole = self._images[random.permutation(np.sort(fresh))[:count]]
        return np.concatenate([whole, self._crops.cut(random, count - len(whole))])

    def observe(self, probabilities: Floats) -> None:
        """Cut more like the crops of rare classes; crops are the last of the images."""
        self._crops.observe(probabilities[len(probabilities) - self._crops.count :])


@cache
def _compile_draw(shape: tuple[int, int, int, int]) -> Callable[[NDArray[np.int32]], tf.Tensor]:
    @compiled(input_signature=[tf.TensorSpec((2,), tf.int32)])
    def draw(seed: tf.Tensor) -> tf.Tensor:
        return draw_shapes(shape, seed)

    return draw  # type: ignore[no-any-return]
