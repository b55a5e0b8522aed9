"""Setting images aside: for validation during training, and for a test half that is missing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.dataset import Arrays
from kextract.datasets.images import Labels, Pixels
from kextract.errors import DatasetError
from kextract.seeds import Stream, random_generator

TEST_FRACTION = 1 / 6
"""Share of the images that becomes the test half where a data set has none, as in MNIST."""

Indices = NDArray[np.int64]


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
    """Make a test half: a sixth of the images, always the same ones.

    Raises DatasetError, naming `source`, where there are fewer than two images.
    """
    if len(images) < 2:
        raise DatasetError(
            f"{source}: expected at least 2 images to set some aside as the test half, "
            f"found {len(images)}; add images or a test half"
        )
    held_out = max(1, round(len(images) * TEST_FRACTION))
    train, test = _divide(len(images), held_out, Stream.TEST, 0)
    return images[train], labels[train], images[test], labels[test]


def _divide(n: int, held_out: int, stream: Stream, seed: int) -> tuple[Indices, Indices]:
    order = random_generator(stream, seed).permutation(n)
    return order[held_out:], order[:held_out]
