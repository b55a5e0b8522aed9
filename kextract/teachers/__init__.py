"""Teachers of every kind, from networks with all their insides to black boxes."""

from kextract.teachers.black_box import OUTPUTS, BlackBox, FileOptions
