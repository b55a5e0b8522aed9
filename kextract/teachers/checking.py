"""Whether outputs make sense: services fail in more ways than by raising."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SUM_TOLERANCE = 0.02
"""How far from 1 probabilities may sum: enough for outputs rounded to two decimals or 8 bits."""


class NonsenseError(ValueError):
    """An answer that cannot be one; the text says why."""


def checked(outputs: Any, kind: str, count: int, classes: int) -> NDArray[Any]:
    """Return the outputs for `count` images as float32 (count, classes) or int32 (count,).

    `kind` is one of `kextract.teachers.OUTPUTS`. Raises NonsenseError for another shape or type,
    numbers that are not finite, rows that are no distribution and labels that are no class.
    """
    found = np.asarray(outputs)
    if kind == "labels":
        return _labels(found, count, classes)
    if np.issubdtype(found.dtype, np.integer) and found.ndim == 1:
        raise NonsenseError(f"labels where {kind} were expected: pass --access labels")
    if found.dtype.kind not in "fiu" or found.shape != (count, classes):
        raise NonsenseError(
            f"an array of {found.dtype.name} {found.shape}, expected numbers {(count, classes)}"
        )
    rows = found.astype(np.float32)
    if not np.all(np.isfinite(rows)):
        raise NonsenseError("numbers that are not finite")
    if kind == "probabilities":
        _check_distributions(rows)
    return rows


def _labels(found: NDArray[Any], count: int, classes: int) -> NDArray[np.int32]:
    if found.dtype.kind not in "iu" or found.shape != (count,):
        raise NonsenseError(
            f"an array of {found.dtype.name} {found.shape}, expected integer labels {(count,)}"
        )
    if count and not 0 <= found.min() <= found.max() < classes:
        raise NonsenseError(
            f"labels from {found.min()} to {found.max()}, expected 0 to {classes - 1}"
        )
    return found.astype(np.int32)


def _check_distributions(rows: NDArray[np.float32]) -> None:
    if not rows.size:
        return
    if rows.min() < -SUM_TOLERANCE or rows.max() > 1 + SUM_TOLERANCE:
        raise NonsenseError(
            f"numbers from {rows.min():.3g} to {rows.max():.3g}, expected probabilities"
        )
    farthest = rows.sum(axis=1)[np.abs(rows.sum(axis=1) - 1).argmax()]
    if abs(farthest - 1) > SUM_TOLERANCE:
        raise NonsenseError(f"a row that sums to {farthest:.3g}, expected probabilities")
