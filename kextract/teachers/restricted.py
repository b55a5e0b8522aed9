"""A teacher that shows less than it could, for studies of what that costs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.teachers.kinds import reduced
from kextract.teachers.protocol import ANSWERS, Teacher


class Restricted:
    """A `Teacher` that answers with probabilities or labels only and hides its insides."""

    gradients = False
    statistics = False

    def __init__(self, teacher: Teacher, answers: str) -> None:
        self.name = teacher.name
        self.answers = answers
        self.input_shape = teacher.input_shape
        self.classes = teacher.classes
        self._teacher = teacher

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c) with what is left of the teacher's answers."""
        return reduced(self._teacher(images), self._teacher.answers, self.answers)


def restricted(teacher: Teacher, access: str) -> Teacher:
    """Return the teacher as it is seen with `--access full`, `probabilities` or `labels`.

    Raises RequestError where it answers less than that.
    """
    if access == "full":
        return teacher
    if ANSWERS.index(access) < ANSWERS.index(teacher.answers):
        raise RequestError(
            f"--access {access}: the teacher answers with {teacher.answers} only;"
            f" pass --access {teacher.answers}"
        )
    return Restricted(teacher, access)
