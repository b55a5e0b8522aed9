"""What is known of an exported file after its own runtime has run it; no TensorFlow here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import GateError
from kextract.teachers.black_box import marks, pairs, softmax


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a file's outputs may be from the checkpoint's."""

    agreement: float
    """Least share of images that both give the same class."""
    difference: float
    """Largest difference of a probability."""


TOLERANCES = {
    # Rounding in another order moves a probability by 1e-5 or so; a wrong layer by far more.
    "float32": Tolerance(0.99, 1e-3),
    # Eleven binary digits of every weight; logits of 20 move by about 0.1.
    "float16": Tolerance(0.98, 0.1),
    # Probabilities are coarse then, but classes hardly change unless the calibration was bad.
    "int8": Tolerance(0.9, 1.0),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A file's outputs beside the checkpoint's, on the same images."""

    name: str
    """Of the images, such as `drawn` or `test`."""
    images: int
    agreement: float
    """Share of images that both give the same class, or of labels at 0.5."""
    probability_difference: float
    """The largest."""
    logit_difference: float | None
    """The largest; None where the file gives probabilities."""
    accuracy: float | None
    """The file's; None for images without labels."""
    checkpoint_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written, and how it compares with the checkpoint."""

    path: str
    format: str
    arithmetic: str
    """`float32`, `float16` (weights only) or `int8`."""
    inputs: str
    """How the pixels that the file takes are prepared, such as `0..255`; int8 stands for these."""
    outputs: str
    """`logits`, `probabilities` or, of each label on its own, `sigmoids`."""
    class_names: str | None
    """Where they are in the file; None where they are not."""
    bytes: int
    parameters: int
    multiply_adds: int
    milliseconds: float
    """Per image, one at a time, median of several, in the format's own runtime."""
    checkpoint_milliseconds: float
    """The same for the checkpoint's model, compiled by TensorFlow."""
    calibration: int
    """How many images integers were calibrated on."""
    calibrated_on: str | None
    """What they are, such as `drawn`."""
    comparisons: tuple[Comparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self)


def compare(
    name: str,
    expected: NDArray[np.floating],
    found: NDArray[np.floating],
    *,
    outputs: str,
    labels: NDArray[np.integer] | None = None,
    by_label: bool = False,
) -> Comparison:
    """Compare logits (n, k) of a checkpoint with what a file gave, see `ExportReport.outputs`.

    `by_label`, predictions are those of each label of each image.
    """
    if by_label:
        expected = pairs(expected)
        found = pairs(found) if outputs == "logits" else np.stack([1 - found, found], axis=-1)
        labels = None if labels is None else marks(labels, found.shape[1])
    wanted, classes = expected.argmax(axis=-1), found.argmax(axis=-1)
    given = softmax(found.astype(np.float64)) if outputs == "logits" else found
    return Comparison(
        name=name,
        images=len(expected),
        agreement=float((wanted == classes).mean()),
        probability_difference=float(np.abs(given - softmax(expected.astype(np.float64))).max()),
        logit_difference=float(np.abs(found - expected).max()) if outputs == "logits" else None,
        accuracy=None if labels is None else float((classes == labels).mean()),
        checkpoint_accuracy=None if labels is None else float((wanted == labels).mean()),
    )


def check_agreement(
    comparisons: Sequence[Comparison], arithmetic: str, least_agreement: float | None = None
) -> None:
    """Raise GateError where a file's outputs are not the checkpoint's.

    `least_agreement` takes the place of the one in `TOLERANCES`. NaN is never near enough.
    """
    allowed = TOLERANCES[arithmetic]
    least = allowed.agreement if least_agreement is None else least_agreement
    for each in comparisons:
        if not each.agreement >= least:
            hint = "; calibrate on other images (--calibrate)" if arithmetic == "int8" else ""
            raise GateError(
                f"not written: the exported network agrees with the checkpoint on"
                f" {each.agreement:.1%} of {each.images} {each.name} images, at least {least:.1%}"
                f" are needed{hint}"
            )
        if not each.probability_difference <= allowed.difference:
            raise GateError(
                f"not written: the exported network's probabilities differ from the checkpoint's by"
                f" up to {each.probability_difference:.2g} on {each.name} images, at most"
                f" {allowed.difference:g} is allowed"
            )
