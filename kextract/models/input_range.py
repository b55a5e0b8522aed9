"""Which numbers a network of somebody else takes for black and white; nothing here needs Keras."""

import math
from dataclasses import dataclass

from kextract.errors import RequestError


@dataclass(frozen=True, slots=True)
class InputRange:
    """The range that pixels are scaled to before a network sees them."""

    low: float = -1.0
    high: float = 1.0

    @property
    def scale(self) -> float:
        """By what pixels of -1 to 1 are multiplied."""
        return (self.high - self.low) / 2

    @property
    def offset(self) -> float:
        """What is added after that."""
        return (self.high + self.low) / 2

    def __str__(self) -> str:
        return f"{self.low:g},{self.high:g}"


PIXELS = InputRange()
"""What kextract's own networks take."""


def parse_input_range(text: str) -> InputRange:
    """Read `LOW,HIGH`, as `--input-range` has it. Raises RequestError."""
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RequestError(
            f"--input-range {text}: must be two numbers LOW,HIGH with LOW below HIGH, such as 0,255"
        )
    return InputRange(low, high)
