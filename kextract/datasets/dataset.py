"""A data set in memory: labelled images in two splits, and what their classes are called."""

import json
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Labels, Pixels
from kextract.errors import DatasetError
from kextract.seeds import Stream, random_generator
from kextract.text import one_line

Arrays = tuple[Pixels | None, Labels | None, Pixels | None, Labels | None]
"""x_train, y_train, x_test, y_test; None for a split that is not there."""

MIN_SIDE = 16
"""Smallest height and width that the models can take, pixels."""
MAX_SIDE = 4096
"""Largest height and width of an image that is read, pixels."""
MAX_NAMES_BYTES = 1 << 20
"""Most that the class names may take as JSON, bytes: what a checkpoint can hold."""

TEST_FRACTION = 1 / 6
"""Share of the images that becomes the test split where a data set has none, as in MNIST."""
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in two splits, of which one may be missing.

    Images are uint8 (n, h, w, c) with c 1 or 3 and at least 16x16 pixels, as whoever reads them
    makes sure; labels int64 (n,) from 0 to `classes` - 1. Raises DatasetError for other labels and
    for splits that differ; the message begins with `source` (the file or folder), or else with the
    data set's name.
    """

    name: str
    x_train: Pixels | None
    y_train: Labels | None
    x_test: Pixels | None
    y_test: Labels | None
    class_names: tuple[str, ...]
    flip: bool = False
    """Whether an image mirrored left to right is still of its class."""
    source: InitVar[str | None] = None
    notes: tuple[str, ...] = ()
    """What is worth a line before anything is done with it: what was left out, or was guessed."""

    def __post_init__(self, source: str | None) -> None:
        where = one_line(source or f"data set '{self.name}'")
        if self.classes < 2:
            raise DatasetError(f"{where}: expected at least 2 classes, found {self.classes}")
        if len(json.dumps(self.class_names)) > MAX_NAMES_BYTES:
            raise DatasetError(f"{where}: expected class names of at most 1 MiB in all, found more")
        _check_labels(where, "train", self.y_train, self.classes)
        _check_labels(where, "test", self.y_test, self.classes)
        if self.x_train is not None and self.x_test is not None:
            train, test = self.x_train.shape[1:], self.x_test.shape[1:]
            if train != test:
                raise DatasetError(
                    f"{where}: expected training and test images of one shape, "
                    f"found {dimensions(train)} and {dimensions(test)}"
                )

    @property
    def nbytes(self) -> int:
        """How much memory its images take, bytes."""
        return sum(part.nbytes for part in (self.x_train, self.x_test) if part is not None)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        images = self.x_test if self.x_train is None else self.x_train
        assert images is not None
        height, width, channels = images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def dimensions(shape: tuple[int, ...]) -> str:
    """Write a shape as people do: 28x28x1."""
    return "x".join(map(str, shape))


def check_channels(where: str, shape: tuple[int, ...]) -> None:
    """Raise DatasetError unless `shape` is (h, w, c) of an image in grey or in colour."""
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DatasetError(
            f"{where}: expected images of shape (height, width, 1 or 3), found {dimensions(shape)}"
            f"{_remedy(shape)}"
        )


def _remedy(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] in (1, 3):
        return "; channels come last here: transpose the array to (n, height, width, channels)"
    if len(shape) == 3 and shape[2] in (2, 4):
        return "; the last channel may be transparency: leave it out, or lay the images on a ground"
    return ""


def check_image_shape(where: str, shape: tuple[int, ...]) -> None:
    """Raise DatasetError unless `shape` is (h, w, c) of an image that models can take."""
    check_channels(where, shape)
    if min(shape[:2]) < MIN_SIDE:
        raise DatasetError(
            f"{where}: expected images of at least {MIN_SIDE}x{MIN_SIDE} pixels, "
            f"found {dimensions(shape[:2])}"
        )


def _check_labels(where: str, split: str, labels: Labels | None, classes: int) -> None:
    if labels is None:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        from_1 = "; labels that begin at 1 are one too high" if (low, high) == (1, classes) else ""
        raise DatasetError(
            f"{where}: expected labels from 0 to {classes - 1} in y_{split}, "
            f"found {low if low < 0 else high}{from_1}"
        )


def split(n: int, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Divide range(n) at random into training and validation indices.

    `fraction` of them, rounded, are for validation; the same seed (0 or more) gives the same ones.
    Raises DatasetError where either side would be empty.
    """
    held_out = round(n * fraction) if 0 < fraction < 1 else 0
    if not 0 < held_out < n:
        raise DatasetError(
            f"--validation-fraction {fraction:g}: expected a share between 0 and 1 that leaves "
            f"images on both sides, found {n} images in all; choose another share"
        )
    return _divide(n, held_out, Stream.VALIDATION, seed)


def draw_evenly(labels: NDArray[np.integer[Any]], count: int, seed: int) -> Indices:
    """Draw `count` of the images with these labels at random, as many of every class.

    Where a class has fewer than its share, the others give more. The same seed (0 or more) gives
    the same ones, in ascending order; all where there are not more than `count`.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    order = random_generator(Stream.LIMITED, seed).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return np.sort(order[np.argsort(rank[order], kind="stable")[:count]])


def hold_out_test(source: str, images: Pixels, labels: Labels) -> Arrays:
    """Make a test split: a sixth of the images, always the same ones.

    Raises DatasetError, naming `source`, where there are fewer than two images.
    """
    if len(images) < 2:
        raise DatasetError(
            f"{source}: expected at least 2 images to set some aside as test images, "
            f"found {len(images)}; add training or test images"
        )
    held_out = max(1, round(len(images) * TEST_FRACTION))
    train, test = _divide(len(images), held_out, Stream.TEST, 0)
    return images[train], labels[train], images[test], labels[test]


def _divide(n: int, held_out: int, stream: Stream, seed: int) -> tuple[Indices, Indices]:
    order = random_generator(stream, seed).permutation(n)
    return order[held_out:], order[:held_out]
