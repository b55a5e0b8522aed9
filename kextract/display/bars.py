"""Shares drawn as a row of bars, one character each."""

from collections.abc import Sequence
from itertools import pairwise

BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 10
_ASCII = str.maketrans(BARS, "_.-:=+*#")
_EVEN = 4
"""The height, in eighths, of a share that is as large as all the others."""


def bars(shares: Sequence[float]) -> str:
    """Draw shares that sum to 1: half high is even, full is twice that or more.

    A bar a share; where there are more than `MOST_BARS`, they are sorted, the largest first, and
    each bar is the mean of about as many.
    """
    even = 1 / len(shares)
    if len(shares) > MOST_BARS:
        shares = _means(sorted(shares, reverse=True))
    heights = (round(_EVEN * share / even) for share in shares)
    return "".join(BARS[min(max(height, 1), len(BARS)) - 1] for height in heights)


def in_ascii(text: str) -> str:
    """Draw the bars in a text with characters that every encoding has."""
    return text.translate(_ASCII)


def _means(shares: Sequence[float]) -> list[float]:
    borders = [place * len(shares) // MOST_BARS for place in range(MOST_BARS + 1)]
    return [sum(shares[start:end]) / (end - start) for start, end in pairwise(borders)]
