"""Whether outputs make sense: services fail in more ways than by raising, and round."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]

SUM_TOLERANCE = 0.02
"""How far from 1 probabilities may sum, whatever they are rounded to."""
STEPS = (0.1, 0.01, 1 / 255, 1 / 256, 1e-3, 1e-4)
"""What probabilities are rounded to: decimals, and the eight bits of integer networks."""
WHOLES = (1, 100, 255, 256)
"""What probabilities, percentages and numbers of eight bits sum to."""
EXACT = 1e-4
"""What exact probabilities sum to, but for this."""


class InvalidOutputError(ValueError):
    """An answer that cannot be one; the text says why."""

    may_pass = False
    """Whether the same question may be answered better a second time."""


class NotFiniteError(InvalidOutputError):
    """An answer with NaN or infinity in it, as of a service that is overloaded."""

    may_pass = True


def checked(outputs: Any, kind: str, count: int, classes: int) -> NDArray[Any]:
    """Return the outputs for `count` images as float32 (count, classes) or int32 (count,).

    `outputs` are an array, a tensor or a list; `kind` is one of `kextract.teachers.OUTPUTS`. Rows
    of probabilities that were rounded, percentages and numbers of eight bits are made to sum to 1.
    Where a row sums to less and has zeros, as that of a service which names the first few classes
    only, the classes at 0 share what is missing. Sigmoids lie within 0 to 1, whatever they sum to.
    Raises InvalidOutputError for another shape or type, numbers that are not finite, rows that are
    not a distribution and labels that are not classes.
    """
    found = _array(outputs)
    if kind == "labels":
        return _labels(found, count, classes)
    if np.issubdtype(found.dtype, np.integer) and found.ndim == 1:
        raise InvalidOutputError(f"labels where {kind} were expected: pass --access labels")
    if found.dtype.kind not in "fiub" or found.shape != (count, classes):
        raise InvalidOutputError(f"{_shown(found)}, expected numbers {(count, classes)}")
    with np.errstate(over="ignore"):
        rows = found.astype(np.float32)
    if not np.all(np.isfinite(rows)):
        raise NotFiniteError("numbers that are not finite")
    if kind == "sigmoids" and rows.size:
        return _sigmoids(rows)
    if kind == "probabilities" and rows.size:
        return _distributions(found.astype(np.float64), _precision(found)).astype(np.float32)
    return rows


def _array(outputs: Any) -> NDArray[Any]:
    """Make an array of what a function returned, in its own type, wherever it was computed."""
    if isinstance(outputs, list | tuple):
        outputs = [_array(item) if hasattr(item, "__array__") else item for item in outputs]
    if hasattr(outputs, "detach"):  # PyTorch's: with a history of gradients, on another device
        outputs = outputs.detach().cpu()
    try:
        found = np.asarray(outputs)
        # Brain floats are of a type that NumPy does not know.
        return found.astype(np.float32) if found.dtype.name == "bfloat16" else found
    except TypeError:
        if not hasattr(outputs, "float"):
            raise InvalidOutputError(f"a {type(outputs).__name__}, expected an array") from None
        return np.asarray(outputs.float())
    except ValueError:
        raise InvalidOutputError("rows of several lengths, expected an array") from None


def _shown(found: NDArray[Any]) -> str:
    name = type(found.flat[0]).__name__ if found.dtype == object and found.size else found.dtype
    return f"an array of {name} {found.shape}"


def _labels(found: NDArray[Any], count: int, classes: int) -> NDArray[np.int32]:
    if found.dtype.kind not in "iu" or found.shape != (count,):
        raise InvalidOutputError(f"{_shown(found)}, expected integer labels {(count,)}")
    if count and not 0 <= found.min() <= found.max() < classes:
        raise InvalidOutputError(
            f"labels from {found.min()} to {found.max()}, expected 0 to {classes - 1}"
        )
    return found.astype(np.int32)


def _precision(found: NDArray[Any]) -> float:
    """Say how exact numbers of this type are, at 1."""
    return float(np.finfo(found.dtype).eps) if found.dtype.kind == "f" else 0.0


def _distributions(rows: Rows, precision: float) -> Rows:
    """Return rows (n, k) that sum to 1. Raises InvalidOutputError for others."""
    low, high = rows.min(), rows.max()
    between = f"numbers from {low:.3g} to {high:.3g}, expected probabilities"
    if low < -SUM_TOLERANCE:
        raise InvalidOutputError(f"{between}; for logits pass --access full")
    for whole in WHOLES:
        if high <= whole * (1 + SUM_TOLERANCE):
            completed, wrong = _completed(rows.clip(0) / whole, precision, may_lack=whole == 1)
            if not wrong.any():
                return completed
            if whole == 1:
                total = rows[wrong].sum(axis=1)[0]
                raise InvalidOutputError(
                    f"a row that sums to {total:.3g}, expected probabilities; for labels that"
                    " are each on their own pass --outputs sigmoids"
                )
    raise InvalidOutputError(between)


def _sigmoids(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = rows.min(), rows.max()
    if low < -SUM_TOLERANCE or high > 1 + SUM_TOLERANCE:
        raise InvalidOutputError(
            f"numbers from {low:.3g} to {high:.3g}, expected a probability for each label"
        )
    return rows.clip(0, 1)


def _completed(rows: Rows, precision: float, *, may_lack: bool) -> tuple[Rows, NDArray[np.bool_]]:
    """Make rows (n, k) sum to 1, and say which (n,) are too far from it to be distributions.

    What is missing beyond the rounding of what is named is shared by the classes at 0. None of them
    can be more likely than one that is named, where only the first few are: rows that `may_lack`.
    """
    classes, step = rows.shape[1], _rounded_to(rows, precision)
    named = (rows > 0).sum(axis=1)
    missing, unnamed = 1 - rows.sum(axis=1), classes - named
    shared = missing / np.maximum(unnamed, 1)
    least = np.where(rows > 0, rows, np.inf).min(axis=1)
    likely = (unnamed > 0) & (shared <= least + step) & may_lack & bool(rows.any())
    wrong = (missing < -np.maximum(SUM_TOLERANCE, named * step / 2 + EXACT)) | (
        (missing > max(SUM_TOLERANCE, classes * step + EXACT)) & ~likely
    )
    wrong |= (named == 0) & ~likely
    lacks = (missing > named * step / 2 + EXACT) & (unnamed > 0)
    filled = np.where((rows == 0) & lacks[:, None], shared[:, None], rows)
    total = filled.sum(axis=1, keepdims=True)
    return filled / np.where(total > 0, total, 1), wrong


def _rounded_to(rows: Rows, precision: float) -> float:
    """Return the coarsest of `STEPS` that all numbers are multiples of; 0 for exact ones."""
    error = 2 * precision * rows + 1e-9
    for step in STEPS:
        if error.max() < step / 4 and (np.abs(rows - np.round(rows / step) * step) <= error).all():
            return step
    return 0.0
