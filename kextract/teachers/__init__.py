"""Teachers of every kind, from networks with all their insides to black boxes."""

from kextract.teachers.black_box import OUTPUTS, BlackBox, FileOptions
from kextract.teachers.opening import open_black_box

__all__ = [
    "OUTPUTS",
    "BlackBox",
    "FileOptions",
    "open_black_box",
]
