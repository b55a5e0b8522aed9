"""Candidates: the images that questions are chosen from, of three kinds."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.pixels import unscale
from kextract.datasets.resizing import fitted
from kextract.records import Event
from kextract.seeds import Stream, random_generator
from kextract.teachers.protocol import Shape
from kextract.transfer.auto import are_drawings
from kextract.transfer.crops import GENES, SMALLEST_AREA, Cutter
from kextract.transfer.leaves import painted
from kextract.transfer.shapes import draw_shapes

COLLAGES = 0.5
"""Share of crops that a part of another crop is pasted into, before anybody is asked."""

Pixels = NDArray[np.uint8]


class Candidates(Protocol):
    """Draws images that may be asked about; they follow from the random numbers alone."""

    def prepare(self, epoch: int) -> Iterable[Event]:
        """Make what images are drawn from, if there is none yet."""

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Return uint8 (count, h, w, c), none of which has a `fingerprint` in `known`."""


def make_candidates(config: DistillConfig, shape: Shape, canvases: Pixels | None) -> Candidates:
    """Make the candidates of a configuration: given ones, those it names, or those that suit.

    `shape` is that of the teacher's images; `canvases` are those of somebody, see `Given`.
    """
    kind = config.queries.questions
    if canvases is not None:
        return Given(canvases, shape)
    if kind == "shapes" or (kind is None and are_drawings(shape)):
        return Shapes(shape)
    return Leaves(shape, config.seed, config.queries.query_budget)


def fingerprint(image: Pixels) -> int:
    """Return a number that tells an image from others, within this process."""
    return hash(image.tobytes())


class Shapes:
    """Blobs and strokes."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def prepare(self, epoch: int) -> tuple[()]:
        """Do nothing."""
        return ()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Draw shapes; two that are alike do not come up."""
        draw = _compile_draw((count, *self._shape))
        return unscale(draw(random.integers(0, 2**31, 2, np.int32)).numpy())


class Leaves:
    """Crops of dead leaves."""

    def __init__(self, shape: Shape, seed: int, crops: int) -> None:
        """Take the shape of the images and how many there are going to be."""
        self._shape, self._seed, self._crops = shape, seed, crops
        self._cutter: Cutter | None = None

    def prepare(self, epoch: int) -> Iterator[Event]:
        """Paint the canvases."""
        if self._cutter is None:
            random = random_generator(Stream.LEAVES, self._seed)
            canvases = yield from painted(random, self._crops, self._shape[-1], epoch)
            self._cutter = Cutter(canvases, *self._shape[:2])

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Cut crops; no two are alike."""
        assert self._cutter is not None, "prepared before"
        return cut(self._cutter, random, count)


class Given:
    """Images of somebody: as they are while there are enough to choose from, then also crops."""

    def __init__(self, canvases: Pixels, shape: Shape) -> None:
        """Take squares (n, side, side, c) and the shape of the images that are drawn."""
        self._images = fitted(canvases, shape)
        self._numbers = np.array([fingerprint(image) for image in self._images])
        height, width = shape[:2]
        # No crop is of much fewer pixels than it gets, nor all of the same part of an image.
        area = np.clip(height * width / canvases.shape[1] ** 2 / 2, SMALLEST_AREA, 0.25)
        self._cutter = Cutter(canvases, height, width, float(area))

    def prepare(self, epoch: int) -> tuple[()]:
        """Do nothing."""
        return ()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Draw images that nobody asked about, and cut crops where they are too few."""
        _, first = np.unique(self._numbers, return_index=True)
        fresh = [place for place in first if int(self._numbers[place]) not in known]
        whole = self._images[random.permutation(fresh)[:count]] if fresh else self._images[:0]
        return np.concatenate([whole, cut(self._cutter, random, count - len(whole))])


def cut(cutter: Cutter, random: np.random.Generator, count: int) -> Pixels:
    """Cut crops anywhere, uint8 (count, h, w, c); `COLLAGES` of them hold a part of the next."""
    crops = cutter.cut(random.random((count, GENES)))
    inside = random.random((count, 1, 1)) < COLLAGES
    for axis in (1, 2):
        size = crops.shape[axis]
        side = size * random.uniform(0.25, 0.75, (count, 1))
        places = np.arange(size) + 0.5 - (size - side) * random.random((count, 1))
        inside = inside & np.expand_dims((places > 0) & (places < side), 3 - axis)
    pasted: Pixels = np.where(inside[..., None], np.roll(crops, 1, axis=0), crops)
    return pasted


@cache
def _compile_draw(shape: tuple[int, int, int, int]) -> Callable[[NDArray[np.int32]], tf.Tensor]:
    @tf.function(jit_compile=False, input_signature=[tf.TensorSpec((2,), tf.int32)])
    def draw(seed: tf.Tensor) -> tf.Tensor:
        return draw_shapes(shape, seed)

    return draw  # type: ignore[no-any-return]
