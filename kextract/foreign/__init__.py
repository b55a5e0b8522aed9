"""Other people's networks, made into Keras models that gradients can be had of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kextract.models.axes import Shape
from kextract.models.heads import Head
from kextract.models.input_range import Preprocessing, RangeGuess

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class ExternalNetwork:
    """A network of another program, out of a file or in memory, as one of ours."""

    model: "keras.Model"
    """Maps float32 images (n, h, w, c) in [-1, 1] to float32 logits (n, k)."""
    network: "keras.Model"
    """What is inside, as far as the chosen output; it takes pixels as `input_range` says."""
    input_shape: Shape
    """Height, width and channels of one image."""
    head: Head
    """What the network's outputs are, or were before their last operation was taken off."""
    outputs: Mapping[str, str]
    """The sizes of all outputs by name; the first is the one that classifies."""
    input_range: Preprocessing
    guess: RangeGuess
    """Which pixels the network takes, as far as that can be found out."""
    sha256: str | None = None
    """Over the tensors of its file, see `sha256_of_tensors`; None where it was not needed."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What else its file says, or its own runtime, by name."""
    notes: tuple[str, ...] = ()
    """What a user should know, each a line."""

    @property
    def classes(self) -> int:
        """How many classes it tells apart, at least 2."""
        return int(self.model.output_shape[-1])
