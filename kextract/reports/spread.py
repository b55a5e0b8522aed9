"""Mean, standard deviation and count of a metric over several runs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Spread:
    """What several runs gave for one metric."""

    mean: float
    deviation: float | None
    """The sample standard deviation (n - 1); None for a single run."""
    count: int
    """Runs that have the metric."""


def spread(values: Iterable[float | None]) -> Spread | None:
    """Summarize the finite values; None where there are none."""
    measured = [value for value in values if value is not None and math.isfinite(value)]
    if not measured:
        return None
    deviation = stdev(measured) if len(measured) > 1 else None
    return Spread(fmean(measured), deviation, len(measured))
