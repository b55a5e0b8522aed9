"""The data sets that have a name.

Help texts list them, so this module imports nothing that takes time, NumPy included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kextract.datasets import class_names

if TYPE_CHECKING:
    from kextract.datasets.dataset import Arrays


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A data set with a name."""

    description: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    flip: bool
    """Whether an image mirrored left to right is still of its class."""
    train: int
    """Training images."""
    generate: "Callable[[], Arrays] | None" = None
    """Makes the data set; None for one that is downloaded through `keras.datasets`."""


def _strokes() -> "Arrays":
    from kextract.datasets.strokes import load_strokes

    return load_strokes()


DATASETS: dict[str, DatasetSpec] = {
    "mnist": DatasetSpec(
        "handwritten digits, 70,000 images of 28x28x1, 10 classes",
        (28, 28, 1),
        class_names.DIGITS,
        flip=False,
        train=60_000,
    ),
    "fashion-mnist": DatasetSpec(
        "pieces of clothing, 70,000 images of 28x28x1, 10 classes",
        (28, 28, 1),
        class_names.FASHION_MNIST,
        flip=True,
        train=60_000,
    ),
    "cifar10": DatasetSpec(
        "animals and vehicles, 60,000 images of 32x32x3, 10 classes",
        (32, 32, 3),
        class_names.CIFAR10,
        flip=True,
        train=50_000,
    ),
    "cifar100": DatasetSpec(
        "animals, plants and things, 60,000 images of 32x32x3, 100 classes",
        (32, 32, 3),
        class_names.CIFAR100,
        flip=True,
        train=50_000,
    ),
    "strokes": DatasetSpec(
        "pen-drawn digits, generated without a download, 14,000 images of 28x28x1, 10 classes",
        (28, 28, 1),
        class_names.DIGITS,
        flip=False,
        train=12_000,
        generate=_strokes,
    ),
}


def dataset_names() -> list[str]:
    """List the names that `load_dataset` knows."""
    return list(DATASETS)


def describe_datasets() -> list[tuple[str, str]]:
    """List every name with a line about it."""
    return [(name, spec.description) for name, spec in DATASETS.items()]
