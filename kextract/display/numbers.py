"""How figures are written for people: fixed decimals, counts, lengths of time."""

import math

MISSING = "-"


def decimals(value: float, digits: int, width: int) -> str:
    """Write `value` with fixed decimals, with fewer where that would be over `width`."""
    for fewer in range(digits, -1, -1):
        text = f"{value:.{fewer}f}"
        if len(text) <= width:
            return text
    # Sign, point and exponent take at most six characters more than the figures.
    return f"{value:.{max(width - 6, 1)}g}"


def duration(seconds: float) -> str:
    """Write a measured time in at most six characters: 12.9s, 16m40s, 1h02m."""
    if not math.isfinite(seconds):
        return MISSING
    tenths = f"{seconds:.1f}s"
    return tenths if len(tenths) <= 6 else time_left(seconds)


def time_left(seconds: float) -> str:
    """Write an estimated time, which deserves no tenths: 4s, 3m12s, 1h02m, 4d06h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    hours = round(seconds / 3600)
    return f"{hours // 24}d{hours % 24:02d}h"
