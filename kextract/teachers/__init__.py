"""Teachers of every kind, from networks with all their insides to black boxes."""

from kextract.teachers.opening import is_black_box, open_teacher, parse_input_shape
from kextract.teachers.protocol import OUTPUTS, Teacher

__all__ = [
    "OUTPUTS",
    "Teacher",
    "is_black_box",
    "open_teacher",
    "parse_input_shape",
]
