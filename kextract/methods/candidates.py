"""Candidates: the images that questions are selected from, of five kinds.

Each is made from a few numbers of 32 bits, its recipe, which is what a ledger keeps of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.images import Pixels, fitted, unscale
from kextract.errors import RequestError
from kextract.hdf5.weights import sha256_of_tensors
from kextract.methods.canvases import (
    CROP_PARAMETERS,
    CROPS_OF_A_CANVAS,
    MOST_CANVASES,
    PAINTERS,
    SMALLEST_AREA,
    Cutter,
    Parameters,
    canvas,
)
from kextract.methods.crops import like_missing_classes
from kextract.methods.curves import CURVE_PARAMETERS, draw_curves
from kextract.methods.registry import are_drawings
from kextract.methods.shapes import draw_shapes
from kextract.models.axes import Shape
from kextract.records import Event, Progress
from kextract.runtime import compiled
from kextract.seeds import Stream, random_generator
from kextract.teachers.ledger import Ledger
from kextract.teachers.questions import Recipes, Source

COLLAGES = 0.5
"""Share of crops that a part of another crop is pasted into."""
LIKE_RARE = 0.5
"""Share of candidates that are like those nearest to classes that are rare."""
REMEMBERED = 4096
"""Candidates that others are made like."""
CROP_NUMBERS = 2 * CROP_PARAMETERS + 4
"""A crop, another one, and the sides (h, w) and place of the part of it that is pasted."""
DRAWN_TOGETHER = 64
"""Shapes that are drawn from one seed."""
LEVELS = 1 << 32
"""Of a number in a recipe."""

Floats = NDArray[np.floating]


class Candidates(ABC):
    """Draws recipes that may become questions, and makes their images.

    Recipes follow from the random numbers and from the predictions of the same round, an image from
    its recipe and the source.
    """

    source: Source
    choice = 4
    """How many are drawn for each one that is asked, unless that is requested."""

    def begin(self, epoch: int, count: int) -> Iterable[Event]:
        """Begin a round of a run with `count` questions in all; forget predictions."""
        return ()

    @abstractmethod
    def draw(self, random: np.random.Generator, count: int, known: Recipes) -> Recipes:
        """Return recipes (count, numbers); `known` ones are of questions already."""

    @abstractmethod
    def make(self, recipes: Recipes) -> Pixels:
        """Make the images of any recipes (n, numbers): uint8 (n, h, w, c)."""

    def observe(self, recipes: Recipes, probabilities: Floats) -> None:  # noqa: B027
        """Draw more of rare classes from now on, where a kind can, by predictions (n, k)."""


def make_candidates(
    config: DistillConfig, shape: Shape, canvases: Pixels | None, ledger: Ledger
) -> Candidates:
    """Make the candidates of a configuration: given ones, those it names, or those that suit.

    `shape` is that of the teacher's images; `canvases` are given images, see `GivenCandidates`. A
    ledger with questions is continued by what made them. Raises RequestError where that is not what
    was requested.
    """
    found = ledger.source if ledger.counts.asked else None
    kind = "images" if canvases is not None else config.queries.questions
    kind = kind or (found.kind if found else "curves" if are_drawings(shape) else "leaves")
    seed = found.seed if found else config.seed
    made: Candidates | None = None
    if canvases is not None:
        made = GivenCandidates(canvases, shape)
    elif kind in PAINTERS:
        made = PaintedCandidates(kind, shape, seed)
    elif kind != "images":
        made = {"shapes": ShapeCandidates, "curves": CurveCandidates}[kind](shape, seed)
    if made is None or (found and found != made.source):
        assert found, "images were requested without any, and refused"
        needed = "--images with the same images" if found.images else f"--questions {found.kind}"
        raise RequestError(
            f"--ledger: the questions of '{ledger.path}' are {found.kind}, not made as those that"
            f" are requested: pass {needed}, or name another file"
        )
    return made


class ShapeCandidates(Candidates):
    """Blobs and strokes: a seed, and the place among what is drawn from it."""

    choice = 12
    """Some classes are a hundred times as rare as others, and are not searched for."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.source = Source("shapes", seed, numbers=2)
        self._shape = shape
        self._draw = _compile_draw((DRAWN_TOGETHER, *shape))

    def draw(self, random: np.random.Generator, count: int, known: Recipes) -> Recipes:
        """Draw as many seeds as it takes."""
        places = np.arange(count, dtype=np.uint32)
        seeds = random.integers(0, LEVELS, -(-count // DRAWN_TOGETHER), np.uint32)
        return np.stack([seeds[places // DRAWN_TOGETHER], places % DRAWN_TOGETHER], axis=1)

    def make(self, recipes: Recipes) -> Pixels:
        """Draw shapes."""
        images = np.empty((len(recipes), *self._shape), np.uint8)
        for seed in np.unique(recipes[:, 0]):
            rows = np.flatnonzero(recipes[:, 0] == seed)
            drawn = self._draw(np.array([self.source.seed, seed], np.uint32).view(np.int32))
            images[rows] = unscale(drawn.numpy()[recipes[rows, 1] % DRAWN_TOGETHER])
        return images


class SearchingCandidates(Candidates):
    """Images of parameters, half of them like those nearest to rare classes."""

    parameters: int
    """How many an image is made from, the first ones of its recipe."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._parameters: Parameters = np.empty((0, self.parameters))
        self._probabilities: Floats | None = None

    def begin(self, epoch: int, count: int) -> Iterable[Event]:
        """Forget the predictions."""
        self._parameters, self._probabilities = self._parameters[:0], None
        return ()

    def observe(self, recipes: Recipes, probabilities: Floats) -> None:
        """Remember what images were taken for."""
        before = probabilities[:0] if self._probabilities is None else self._probabilities
        self._probabilities = np.concatenate([before, probabilities])[-REMEMBERED:]
        drawn = recipes[:, : self.parameters] / LEVELS
        self._parameters = np.concatenate([self._parameters, drawn])[-REMEMBERED:]

    def _anywhere(self, random: np.random.Generator, count: int) -> Parameters:
        return random.random((count, self.parameters))

    def _search(self, random: np.random.Generator, count: int) -> Parameters:
        """Draw parameters anywhere, and some that are like those of rare classes."""
        parameters = self._anywhere(random, count)
        if self._probabilities is not None:
            some = int(count * LIKE_RARE)
            parameters[:some] = like_missing_classes(
                random, self._parameters, self._probabilities, some
            )
        return random.permutation(parameters)


class CurveCandidates(SearchingCandidates):
    """Strokes of a pen."""

    parameters = CURVE_PARAMETERS

    def __init__(self, shape: Shape, seed: int) -> None:
        super().__init__(shape)
        self.source = Source("curves", seed, numbers=CURVE_PARAMETERS)

    def draw(self, random: np.random.Generator, count: int, known: Recipes) -> Recipes:
        """Draw parameters."""
        return _words(self._search(random, count))

    def make(self, recipes: Recipes) -> Pixels:
        """Draw curves."""
        return draw_curves(recipes / LEVELS, self._shape)


class CropCandidates(SearchingCandidates):
    """Crops of canvases, half of them with a part of another crop."""

    parameters = CROP_PARAMETERS
    _cutter: Cutter | None = None

    def draw(self, random: np.random.Generator, count: int, known: Recipes) -> Recipes:
        """Draw crops, and what is pasted into them."""
        parameters = self._search(random, count)
        collage = random.random((count, 1)) < COLLAGES
        pasted = np.where(collage, np.roll(parameters, 1, axis=0), parameters)
        return _words(np.concatenate([parameters, pasted, random.random((count, 4))], axis=1))

    def make(self, recipes: Recipes) -> Pixels:
        """Cut crops, each once, and paste parts of them into each other."""
        crops, part = np.split(recipes / LEVELS, [2 * CROP_PARAMETERS], axis=1)
        pairs = crops.reshape(-1, CROP_PARAMETERS)
        single, index = np.unique(pairs, axis=0, return_inverse=True)
        ground, pasted = np.moveaxis(self._cut(single)[index.reshape(-1, 2)], 1, 0)
        inside = np.ones((len(recipes), 1, 1), np.bool_)
        for axis, size in enumerate(self._shape[:2]):
            side = size * (0.25 + 0.5 * part[:, axis, None])
            rows = np.arange(size) + 0.5 - (size - side) * part[:, axis + 2, None]
            inside = inside & np.expand_dims((rows > 0) & (rows < side), 2 - axis)
        made: Pixels = np.where(inside[..., None], pasted, ground)
        return made

    def _cut(self, parameters: Parameters) -> Pixels:
        assert self._cutter is not None, "there are canvases"
        return self._cutter.cut(parameters)


class PaintedCandidates(CropCandidates):
    """Crops of a sequence of painted canvases, of which as many are painted as are needed."""

    def __init__(self, kind: str, shape: Shape, seed: int) -> None:
        super().__init__(shape)
        self.source = Source(kind, seed, numbers=CROP_NUMBERS)
        self._canvases: list[Pixels] = []
        self._used = 0

    def begin(self, epoch: int, count: int) -> Iterator[Event]:
        """Paint the canvases that so many questions are cut from, if they are missing."""
        super().begin(epoch, count)
        self._used = min(MOST_CANVASES, -(-count // CROPS_OF_A_CANVAS))
        for number in range(len(self._canvases), self._used):
            self._paint(number + 1)
            yield Progress(epoch, "painting canvases", number + 1, self._used, 0)

    def _anywhere(self, random: np.random.Generator, count: int) -> Parameters:
        """Leave out the canvases that a run of few questions does not paint."""
        parameters = super()._anywhere(random, count)
        parameters[:, 0] *= self._used / MOST_CANVASES
        return parameters

    def _cut(self, parameters: Parameters) -> Pixels:
        numbers = (parameters[:, 0] * MOST_CANVASES).astype(int)
        self._paint(numbers.max(initial=-1) + 1)
        if self._cutter is None or self._cutter.canvases < len(self._canvases):
            self._cutter = Cutter(np.stack(self._canvases), *self._shape[:2])
        placed = parameters.copy()
        placed[:, 0] = (numbers + 0.5) / len(self._canvases)
        return self._cutter.cut(placed)

    def _paint(self, count: int) -> None:
        for number in range(len(self._canvases), count):
            random = random_generator(Stream.CANVAS, self.source.seed, number)
            self._canvases.append(canvas(random, self.source.kind, number, self._shape[-1]))


class GivenCandidates(CropCandidates):
    """Given images: as they are while there are enough to select from, then also crops.

    The first number is that of the image, from 1, or 0 for a crop.
    """

    def __init__(self, canvases: Pixels, shape: Shape) -> None:
        """Take squares (n, side, side, c) and the shape of the images that are drawn."""
        super().__init__(shape)
        digest = sha256_of_tensors({"images": canvases})
        self.source = Source("images", images=digest, numbers=1 + CROP_NUMBERS)
        self._images = fitted(canvases, shape)
        height, width = shape[:2]
        # Crops neither are enlarged much nor all show the same part of an image.
        area = np.clip(height * width / canvases.shape[1] ** 2 / 2, SMALLEST_AREA, 0.25)
        self._cutter = Cutter(canvases, height, width, float(area))

    def draw(self, random: np.random.Generator, count: int, known: Recipes) -> Recipes:
        """Draw images that were not questions yet, and crops where they are too few."""
        fresh = np.setdiff1d(np.arange(1, len(self._images) + 1), known[:, 0])
        whole = random.permutation(fresh)[:count]
        drawn = np.zeros((count, self.source.numbers), np.uint32)
        drawn[: len(whole), 0] = whole
        drawn[len(whole) :, 1:] = super().draw(random, count - len(whole), known)
        return drawn

    def make(self, recipes: Recipes) -> Pixels:
        """Take images as they are, or cut crops."""
        images: Pixels = self._images[(recipes[:, 0] - np.uint32(1)) % len(self._images)]
        crop = recipes[:, 0] == 0
        images[crop] = super().make(recipes[crop, 1:])
        return images

    def observe(self, recipes: Recipes, probabilities: Floats) -> None:
        """Remember what crops were taken for."""
        crop = recipes[:, 0] == 0
        super().observe(recipes[crop, 1:], probabilities[crop])


def _words(parameters: Parameters) -> Recipes:
    """Return parameters from 0 to 1 as numbers of a recipe."""
    words: Recipes = np.minimum(parameters * LEVELS, LEVELS - 1).astype(np.uint32)
    return words


@cache
def _compile_draw(shape: tuple[int, int, int, int]) -> Callable[[NDArray[np.int32]], tf.Tensor]:
    @compiled(input_signature=[tf.TensorSpec((2,), tf.int32)])
    def draw(seed: tf.Tensor) -> tf.Tensor:
        return draw_shapes(shape, seed)

    return draw  # type: ignore[no-any-return]
