"""Which classes are taken for which."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts (k, k) of images by their true class, in rows, and by their predicted class."""

    counts: NDArray[np.int64]
    class_names: tuple[str, ...]


def confusion_of(
    predictions: NDArray[np.integer[Any]],
    labels: NDArray[np.integer[Any]],
    class_names: tuple[str, ...],
) -> Confusion:
    """Count predictions (n,) against labels (n,), both from 0 to k - 1 for k class names."""
    classes = len(class_names)
    indices = labels.astype(np.int64) * classes + predictions
    counts = np.bincount(indices, minlength=classes * classes).reshape(classes, classes)
    return Confusion(counts.astype(np.int64), class_names)
