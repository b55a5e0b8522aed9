"""Where labelled images come from: by name, from an `.npz`, or from a folder of images."""

from importlib import import_module
from typing import TYPE_CHECKING

from kextract.datasets.augment import augment
from kextract.datasets.registry import dataset_names, describe_datasets

if TYPE_CHECKING:
    from kextract.datasets.dataset import Dataset
    from kextract.datasets.loading import load_dataset
    from kextract.datasets.pixels import scale
    from kextract.datasets.splits import split
    from kextract.datasets.strokes import load_strokes

__all__ = [
    "Dataset",
    "augment",
    "dataset_names",
    "describe_datasets",
    "load_dataset",
    "load_strokes",
    "scale",
    "split",
]

_ON_FIRST_USE = {
    "Dataset": "dataset",
    "load_dataset": "loading",
    "load_strokes": "strokes",
    "scale": "pixels",
    "split": "splits",
}
"""Names whose modules need NumPy, which takes longer to import than `--help` may take to answer."""


def __getattr__(name: str) -> object:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_ON_FIRST_USE[name]}"), name)
    globals()[name] = value
    return value
