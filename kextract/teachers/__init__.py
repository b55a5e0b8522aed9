"""Teachers of every kind, from networks with all their insides to anything that answers."""

from kextract.teachers.opening import only_answers, open_teacher, parse_input_shape
from kextract.teachers.protocol import ANSWERS, Teacher

__all__ = [
    "ANSWERS",
    "Teacher",
    "only_answers",
    "open_teacher",
    "parse_input_shape",
]
