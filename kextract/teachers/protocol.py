"""What a teacher can do: from networks with all their insides to black boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kextract.models.axes import Shape

OUTPUTS = ("logits", "probabilities", "labels")
"""What a teacher may answer, the most telling first."""
FUNCTION = "python:"
"""How the name of a teacher that is a function begins."""
TIMEOUT = 60.0
"""Seconds that a call of a function may take."""


class BlackBox(Protocol):
    """Anything that classifies images.

    A call maps uint8 images (n, h, w, c) to logits or probabilities, float32 (n, k), or to labels,
    int32 (n,). It may raise anything and answer nonsense: `kextract.teachers.asking` deals with it.
    """

    @property
    def name(self) -> str:
        """What the teacher is: kept with its responses, so that nobody else's are added to them."""

    @property
    def outputs(self) -> str:
        """One of `OUTPUTS`."""

    @property
    def gradients(self) -> bool:
        """Whether a loss of its outputs can be traced back to the images."""

    @property
    def statistics(self) -> bool:
        """Whether it has batch normalizations that say what its training images were like."""

    @property
    def input_shape(self) -> Shape:
        """Height, width and channels of an image."""

    @property
    def classes(self) -> int:
        """How many classes it knows, at least 2."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c)."""
