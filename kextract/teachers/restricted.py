"""A teacher that shows less than it could, for studies of what that costs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.heads import LOGITS
from kextract.teachers.kinds import reduced
from kextract.teachers.protocol import OUTPUTS, BlackBox


class Restricted:
    """A `BlackBox` that gives probabilities or labels only and hides its insides."""

    gradients = False
    statistics = False

    def __init__(self, teacher: BlackBox, outputs: str) -> None:
        self.name = teacher.name
        self.outputs = outputs
        self.head = getattr(teacher, "head", LOGITS)
        self.input_shape = teacher.input_shape
        self.classes = teacher.classes
        self._teacher = teacher

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c) with what is left of the teacher's outputs."""
        return reduced(self._teacher(images), self._teacher.outputs, self.outputs)


def restricted(teacher: BlackBox, access: str) -> BlackBox:
    """Return the teacher as it is seen with `--access full`, `probabilities` or `labels`.

    Raises RequestError where it gives less than that.
    """
    if access == "full":
        return teacher
    if OUTPUTS.index(access) < OUTPUTS.index(teacher.outputs):
        raise RequestError(
            f"--access {access}: the teacher gives {teacher.outputs} only;"
            f" pass --access {teacher.outputs}"
        )
    return Restricted(teacher, access)
