"""Outputs of one kind turned into another: logits, probabilities, labels, in NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def softmax(logits: Floats) -> Floats:
    """Return the probabilities of logits (n, k)."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return result


def as_rows(outputs: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return raw outputs as (n, k): one number per image is that of the second of two classes."""
    rows = np.asarray(outputs)
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] != 1:
        return rows
    first = 1 - rows if kind == "probabilities" else np.zeros_like(rows)
    return np.concatenate([first, rows], axis=1)


def predictions(outputs: NDArray[Any]) -> NDArray[np.int32]:
    """Return the predicted classes (n,) of outputs of any kind."""
    return (outputs if outputs.ndim == 1 else outputs.argmax(axis=-1)).astype(np.int32)


def reduced(outputs: NDArray[Any], kind: str, wanted: str) -> NDArray[Any]:
    """Turn outputs of one kind into a less telling one."""
    if wanted == kind:
        return outputs
    if wanted == "labels":
        return predictions(outputs)
    return softmax(outputs.astype(np.float32))
