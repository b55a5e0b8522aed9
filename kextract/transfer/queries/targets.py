"""From a teacher's outputs to the logits that a student is taught."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 0.1
"""Probability that a label leaves to all classes together."""
LEAST = 1e-6
"""The least probability that is told from 0, where outputs are that fine."""


def target_logits(outputs: NDArray[Any], kind: str, classes: int) -> NDArray[np.float32]:
    """Return centred logits (n, k) whose softmax is what the teacher said.

    `outputs` are of one of `kextract.teachers.OUTPUTS`. Logits of probabilities are log p minus the
    mean of its row (Truong et al. 2021, "Data-free model extraction", section 3.3); what is rounded
    to 0 is taken for half of the least that the teacher says. Labels are smoothed (Szegedy et al.
    2016, "Rethinking the Inception architecture", section 7).
    """
    if kind == "labels":
        rows = np.full((len(outputs), classes), SMOOTHING / classes)
        rows[np.arange(len(outputs)), outputs] += 1 - SMOOTHING
        logits = np.log(rows)
    elif kind == "probabilities":
        positive = outputs[outputs > 0]
        least = max(LEAST, positive.min() / 2) if positive.size else LEAST
        logits = np.log(np.maximum(outputs.astype(np.float64), least))
    else:
        logits = outputs.astype(np.float64)
    centred: NDArray[np.float32] = (logits - logits.mean(axis=1, keepdims=True)).astype(np.float32)
    return centred


def sampling(predictions: NDArray[np.integer], kind: str) -> NDArray[np.float64] | None:
    """Return how likely each question is drawn: all classes alike where only labels are known.

    None is as likely as any other. Probabilities say enough of classes that are never the first.
    """
    if kind != "labels":
        return None
    likely = 1 / np.bincount(predictions)[predictions]
    return likely / likely.sum()  # type: ignore[no-any-return]
