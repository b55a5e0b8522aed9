"""Which of many images are worth a question."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
_TINY = 1e-12


def disagreement(one: Floats, other: Floats) -> Floats:
    """Return the Jensen-Shannon divergence of two students' probabilities (n, k), nats (n,)."""
    middle = (one + other) / 2
    result: Floats = (_divergence(one, middle) + _divergence(other, middle)) / 2
    return result


def most_telling(one: Floats, other: Floats, count: int) -> NDArray[np.integer]:
    """Return indices (count,) where two students' probabilities (n, k) disagree most.

    As many for each class that they predict together; what a class has too little of is shared
    among those that have more. Source: Rosenthal et al. 2023, "DisGUIDE", for questions on which
    two students disagree.
    """
    score, predicted = disagreement(one, other), (one + other).argmax(axis=1)
    falling = np.argsort(-score, kind="stable")
    classes = one.shape[1]
    # The rarest first, so that what they lack is known when the others are chosen.
    order = np.argsort(np.bincount(predicted, minlength=classes), kind="stable")
    chosen: list[NDArray[np.integer]] = []
    left = count
    for place, index in enumerate(order):
        own = falling[predicted[falling] == index][: left // (classes - place)]
        chosen.append(own)
        left -= len(own)
    return np.concatenate(chosen)


def _divergence(one: Floats, other: Floats) -> Floats:
    result: Floats = (one * (np.log(one + _TINY) - np.log(other + _TINY))).sum(axis=1)
    return result
