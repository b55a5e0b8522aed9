"""Teachers of every kind, from networks with all their insides to black boxes."""

from kextract.teachers.opening import is_black_box, open_black_box, parse_input_shape
from kextract.teachers.protocol import OUTPUTS, BlackBox

__all__ = [
    "OUTPUTS",
    "BlackBox",
    "is_black_box",
    "open_black_box",
    "parse_input_shape",
]
