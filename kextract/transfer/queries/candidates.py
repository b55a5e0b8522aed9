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
from kextract.graph import compiled
from kextract.models.axes import Shape
from kextract.records import Event
from kextract.seeds import Stream, random_generator
from kextract.transfer.auto import are_drawings
from kextract.transfer.crops import GENES, SMALLEST_AREA, Cutter
from kextract.transfer.leaves import children, painted
from kextract.transfer.shapes import draw_shapes

COLLAGES = 0.5
"""Share of crops that a part of another crop is pasted into, before anybody is asked."""
CHILDREN = 0.5
"""Share of crops that are cut like those that came nearest to classes that are rare."""
REMEMBERED = 4096
"""Crops that others are cut like."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating]


class Candidates(Protocol):
    """Draws images that may be asked about.

    They follow from the random numbers and from what was said of images in the same round.
    """

    def begin(self, epoch: int) -> Iterable[Event]:
        """Begin a round: make what images are drawn from, if there is none, and forget the rest."""

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Return uint8 (count, h, w, c), none of which has a `fingerprint` in `known`."""

    def hear(self, probabilities: Floats) -> None:
        """Hear what is thought of the images drawn last, (count, k), to draw others like them."""


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

    def begin(self, epoch: int) -> tuple[()]:
        """Do nothing."""
        return ()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Draw shapes; two that are alike do not come up."""
        draw = _compile_draw((count, *self._shape))
        return unscale(draw(random.integers(0, 2**31, 2, np.int32)).numpy())

    def hear(self, probabilities: Floats) -> None:
        """Do nothing."""


class Crops:
    """Crops of canvases, more of those that look like rare classes."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self.forget()

    def forget(self) -> None:
        """Cut anywhere again."""
        self._last = self._genes = np.empty((0, GENES))
        self._probabilities: Floats | None = None

    def cut(self, random: np.random.Generator, count: int) -> Pixels:
        """Return uint8 (count, h, w, c); `COLLAGES` of them hold a part of the next one."""
        genes = random.random((count, GENES))
        if self._probabilities is not None:
            some = int(count * CHILDREN)
            genes[:some] = children(random, self._genes, self._probabilities, some)
        self._last = random.permutation(genes)
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

    def hear(self, probabilities: Floats) -> None:
        """Hear the probabilities (n, k) of the crops that were cut last."""
        before = probabilities[:0] if self._probabilities is None else self._probabilities
        self._probabilities = np.concatenate([before, probabilities])[-REMEMBERED:]
        self._genes = np.concatenate([self._genes, self._last])[-REMEMBERED:]


class Leaves:
    """Crops of dead leaves."""

    def __init__(self, shape: Shape, seed: int, count: int) -> None:
        """Take the shape of the images and how many are going to be asked about."""
        self._shape, self._seed, self._count = shape, seed, count
        self._crops: Crops | None = None

    def begin(self, epoch: int) -> Iterator[Event]:
        """Paint the canvases."""
        if self._crops is None:
            random = random_generator(Stream.LEAVES, self._seed)
            canvases = yield from painted(random, self._count, self._shape[-1], epoch)
            self._crops = Crops(Cutter(canvases, *self._shape[:2]))
        self._crops.forget()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Cut crops; no two are alike."""
        assert self._crops is not None, "begun before"
        return self._crops.cut(random, count)

    def hear(self, probabilities: Floats) -> None:
        """Cut others like them."""
        assert self._crops is not None, "begun before"
        self._crops.hear(probabilities)


class Given:
    """Images of somebody: as they are while there are enough to choose from, then also crops."""

    def __init__(self, canvases: Pixels, shape: Shape) -> None:
        """Take squares (n, side, side, c) and the shape of the images that are drawn."""
        self._images = fitted(canvases, shape)
        numbers = np.array([fingerprint(image) for image in self._images])
        self._numbers, self._indices = np.unique(numbers, return_index=True)
        height, width = shape[:2]
        # No crop is of much fewer pixels than it gets, nor all of the same part of an image.
        area = np.clip(height * width / canvases.shape[1] ** 2 / 2, SMALLEST_AREA, 0.25)
        self._crops = Crops(Cutter(canvases, height, width, float(area)))

    def begin(self, epoch: int) -> tuple[()]:
        """Forget what was thought of crops."""
        self._crops.forget()
        return ()

    def draw(self, random: np.random.Generator, count: int, known: Collection[int]) -> Pixels:
        """Draw images that nobody asked about, and cut crops where they are too few."""
        fresh = self._indices[[number not in known for number in self._numbers.tolist()]]
        # By place, not by number: those of another process are others.
        whole = self._images[random.permutation(np.sort(fresh))[:count]]
        return np.concatenate([whole, self._crops.cut(random, count - len(whole))])

    def hear(self, probabilities: Floats) -> None:
        """Cut others like the crops, which were drawn last."""
        self._crops.hear(probabilities[len(probabilities) - self._crops.count :])


@cache
def _compile_draw(shape: tuple[int, int, int, int]) -> Callable[[NDArray[np.int32]], tf.Tensor]:
    @compiled(input_signature=[tf.TensorSpec((2,), tf.int32)])
    def draw(seed: tf.Tensor) -> tf.Tensor:
        return draw_shapes(shape, seed)

    return draw  # type: ignore[no-any-return]
