"""The questions of a ledger: what each was made from, and its image, made again when it is needed.

An image is a pure function of a few numbers, so that a ledger of large images is small. The digest
of the image that was asked about is kept too: what is made from the numbers is that image, or it is
refused.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels
from kextract.errors import CheckpointError
from kextract.models.axes import Shape

DIGEST_BYTES = 16
MOST_NUMBERS = 500
"""Numbers that a question is made from."""
HELD_BYTES = 512 << 20
"""Bytes of images that are kept in memory; further ones are made each time."""

Recipes = NDArray[np.uint32]
"""What images are made from, (n, numbers)."""


@dataclass(frozen=True, slots=True)
class Source:
    """What questions are made by, beside the numbers of each."""

    kind: str = ""
    """One of `kextract.config.training.QUESTIONS`; empty as long as nothing was asked."""
    seed: int = 0
    """What procedural images are drawn from."""
    images: str = ""
    """SHA-256 of given images, which questions are or are cut out of."""
    numbers: int = 0
    """How many a question is made from."""


class Questions:
    """The images of a ledger, uint8 (h, w, c) each; indexed with an array of places."""

    def __init__(self, path: Path, shape: Shape, numbers: int, room: int) -> None:
        """Take the ledger's path, for errors, and for how many questions there will be room."""
        self._path, self._shape = path, shape
        self.recipes: Recipes = np.empty((room, numbers), np.uint32)
        self.digests: NDArray[np.void] = np.empty(room, f"V{DIGEST_BYTES}")
        # Memory for what is not there yet is taken when it comes.
        held = min(room, HELD_BYTES // int(np.prod(shape)))
        self._images = np.empty((held, *shape), np.uint8)
        self._is_held = np.zeros(room, np.bool_)
        self._make: Callable[[Recipes], Pixels] | None = None

    @property
    def held(self) -> int:
        """How many images, the first ones, are kept in memory."""
        return len(self._images)

    def made_by(self, make: Callable[[Recipes], Pixels]) -> None:
        """Say what makes images (n, h, w, c) from recipes (n, numbers)."""
        self._make = make

    def add(self, recipes: Recipes, place: int) -> NDArray[np.void]:
        """Put questions (n, numbers) at a place and those after it; return their digests (n,)."""
        places = np.arange(place, place + len(recipes))
        images = self._made(recipes)
        self.recipes[places], self.digests[places] = recipes, digests_of(images)
        self._hold(places, images)
        return self.digests[places]

    def __getitem__(self, places: NDArray[np.integer]) -> Pixels:
        """Return the images (len(places), h, w, c) of some questions.

        Raises CheckpointError where one that is made again is not the one that was asked about.
        """
        missing = np.unique(places[~self._is_held[places]])
        made = self._made(self.recipes[missing])
        if wrong := np.flatnonzero(digests_of(made) != self.digests[missing]).tolist():
            raise CheckpointError(
                f"'{self._path}': question {missing[wrong[0]]} becomes another image here than it"
                " was when it was asked (made by another version, or on another kind of machine):"
                " name another --ledger"
            )
        self._hold(missing, made)
        found = np.empty((len(places), *self._shape), np.uint8)
        held = self._is_held[places]
        found[held] = self._images[places[held]]
        found[~held] = made[np.searchsorted(missing, places[~held])]
        return found

    def _made(self, recipes: Recipes) -> Pixels:
        assert self._make is not None, "the ledger was begun"
        return self._make(recipes)

    def _hold(self, places: NDArray[np.integer], images: Pixels) -> None:
        """Keep the images of the first questions."""
        first = places < len(self._images)
        self._images[places[first]] = images[first]
        self._is_held[places[first]] = True


def digests_of(images: Pixels) -> NDArray[np.void]:
    """Return what identifies images (n, h, w, c), (n,)."""
    found = b"".join(
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=DIGEST_BYTES).digest()
        for image in images
    )
    return np.frombuffer(found, f"V{DIGEST_BYTES}")
