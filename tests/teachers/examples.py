"""Teachers that can be calculated by hand, and ledgers of their responses."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.teachers.asking import heading_of
from kextract.teachers.ledger import Ledger, open_ledger
from kextract.teachers.questions import Recipes, Source

SHAPE = (4, 4, 1)
CLASSES = 3


class Brightness:
    """A teacher whose probabilities follow from an image's first pixel; it counts what it gets.

    `faults` are what it does instead of answering, call by call: an exception to raise or an
    answer to give.
    """

    input_shape = SHAPE
    classes = CLASSES

    def __init__(self, outputs: str = "probabilities", faults: list[Any] | None = None) -> None:
        self.name = "brightness"
        self.outputs = outputs
        self.received = 0
        self.seen: list[bytes] = []
        self._faults = list(faults or [])

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        self.received += len(images)
        self.seen += [image.tobytes() for image in images]
        if self._faults:
            fault = self._faults.pop(0)
            if isinstance(fault, BaseException):
                raise fault
            if fault is not None:
                return np.asarray(fault)
        return expected(images, self.outputs)


def expected(images: NDArray[np.uint8], outputs: str = "probabilities") -> NDArray[Any]:
    """What `Brightness` responds: a third of the first pixel's brightness is that of class 0."""
    first = images[:, 0, 0, 0].astype(np.float64) / 255
    rows = np.stack([first / 3, (1 - first) / 2, 1 - first / 3 - (1 - first) / 2], axis=1)
    return rows.argmax(axis=1).astype(np.int32) if outputs == "labels" else rows.astype("float32")


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), np.uint8)


SOURCE = Source("shapes", seed=3, numbers=4)
"""Of images that are their own recipes: sixteen bytes are four numbers."""


def recipes(images: NDArray[np.uint8]) -> Recipes:
    """What `images_of` makes these images from."""
    return images.reshape(len(images), 16).view(np.uint32)


def images_of(recipes: Recipes) -> NDArray[np.uint8]:
    return np.ascontiguousarray(recipes).view(np.uint8).reshape(-1, *SHAPE)


def all_of(ledger: Ledger) -> NDArray[np.uint8]:
    """The images of all questions, in a ledger that may only be read, too."""
    ledger.questions.made_by(images_of)
    return ledger.questions[np.arange(ledger.counts.asked)]


def ledger(folder: Path, budget: int = 20, outputs: str = "probabilities") -> Ledger:
    made = open_ledger(folder / "x.ledger.db", heading_of(Brightness(outputs)), budget)
    made.begin(SOURCE, images_of)
    return made
