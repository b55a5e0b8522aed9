"""Reads damaged `.npz` files by the thousand: `python -m tests.datasets.fuzz_npz --count 3000`."""

import sys
from pathlib import Path
from random import Random

import numpy as np

from kextract.datasets.dataset import Dataset
from kextract.datasets.images import Labels, Pixels
from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError
from tests import fuzzing
from tests.datasets.images import random_images
from tests.datasets.mutations_of_npz import BOMBS, BYTES, CONTENT, packed, sound_members


class NpzFiles:
    """A `Family` of damaged `.npz` files: their bytes, what they hold, and bombs."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        members = sound_members()
        named = packed(members)
        del members["class_names.npy"]
        self._sound = (named, packed(members))

    def get_ready(self) -> None:
        """Everything is imported above."""

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        random = Random(f"{self._seed}-{number}")
        base, mutations = random.choices(
            (("bytes", BYTES), ("content", CONTENT), ("bombs", BOMBS)), (50, 49, 1)
        )[0]
        mutation = random.choice(mutations)
        self._path = folder / "damaged.npz"
        self._path.write_bytes(mutation(random.choice(self._sound), random))
        return base, getattr(mutation, "__name__", "?")

    def read(self) -> tuple[str, str]:
        return read_one(self._path)

    def allowed(self, base: str) -> set[str]:
        # A checksum guards the bytes of each array; who packs other arrays packs a new checksum.
        return {"refused", "same images"} | ({"other images"} if base == "content" else set())


def read_one(path: Path) -> tuple[str, str]:
    """Load a data set as every command does; give what happened, and the message."""
    try:
        data = load_dataset(str(path))
    except DatasetError as error:
        return "refused", str(error)
    except Exception as error:
        return type(error).__name__, repr(error)
    if not is_sane(data):
        return "not sane", ""
    same = np.array_equal(_or_empty(data.x_train), random_images(12, 16, 18, 3, seed=12))
    same &= np.array_equal(_or_empty(data.x_test), random_images(6, 16, 18, 3, seed=6))
    return ("same images" if same else "other images"), ""


def _or_empty(images: Pixels | None) -> Pixels:
    return np.empty(0, np.uint8) if images is None else images


def is_sane(data: Dataset) -> bool:
    """Check once more, by itself, what a data set promises."""
    halves = ((data.x_train, data.y_train), (data.x_test, data.y_test))
    names = (data.name, *data.class_names)
    return all(map(str.isprintable, names)) and all(
        x is not None and y is not None and _fits(x, y, len(data.class_names))
        for x, y in halves
        if x is not None or y is not None
    )


def _fits(x: Pixels, y: Labels, classes: int) -> bool:
    return (
        (x.dtype.name, x.ndim, y.dtype.name, y.shape) == ("uint8", 4, "int64", x.shape[:1])
        and x.shape[3] in (1, 3)
        and min(x.shape[1:3]) >= 16
        and bool(0 <= y.min() <= y.max() < classes)
    )


if __name__ == "__main__":
    sys.exit(fuzzing.main(NpzFiles, __doc__ or ""))
