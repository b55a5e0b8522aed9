"""Teachers of which only outputs are seen: what they are, and outputs of one kind as another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.axes import Shape
from kextract.models.heads import LOGITS, Head
from kextract.models.input_range import Preprocessing

if TYPE_CHECKING:
    import keras

OUTPUTS = ("logits", "probabilities", "sigmoids", "labels")
"""What a teacher may answer; sigmoids are a probability for each label on its own."""
FUNCTION = "python:"
"""How the name of a teacher that is a function begins."""
TIMEOUT = 60.0
"""Seconds that a call of a function may take."""
AT_ONCE = 256
"""Images per call where a network takes any number."""

Floats = NDArray[np.floating]


class BlackBox(Protocol):
    """Anything that classifies images.

    A call maps uint8 images (n, h, w, c) to logits, probabilities or sigmoids, float32 (n, k), or
    to labels, int32 (n,). It may raise anything and answer nonsense: `kextract.teachers.asking`
    deals with it.
    """

    name: str
    """What the teacher is: kept with its responses, so that no other's are added to them."""
    outputs: str
    """One of `OUTPUTS`."""
    input_shape: Shape
    """Height, width and channels of an image."""
    classes: int
    """How many classes it knows, at least 2."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c)."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What a user says of a model file; it must agree with what the file says."""

    input_shape: Shape | None = None
    classes: int | None = None
    input_range: Preprocessing | None = None
    threads: int | None = None
    outputs: str | None = None
    """One of `kextract.models.heads.OUTPUTS`."""
    output_name: str | None = None
    """Which of several outputs is meant."""


@dataclass
class Function:
    """A `BlackBox` that is a function."""

    name: str
    outputs: str
    input_shape: Shape
    classes: int
    ask: Callable[[NDArray[np.uint8]], NDArray[Any]]
    head: Head = LOGITS

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c)."""
        return self.ask(images)


def softmax(logits: Floats) -> Floats:
    """Return the probabilities of logits (n, k)."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return result


def pairs(logits: Floats) -> NDArray[Any]:
    """Return logits (n, k) of labels, each on its own, as those of two classes: (n, k, 2)."""
    return np.stack([np.zeros_like(logits), logits], axis=-1)


def marks(labels: NDArray[np.integer], count: int) -> NDArray[np.integer]:
    """Return which of so many labels each image has, 0 or 1 (n, k), of classes (n,) or as given."""
    return np.eye(count, dtype=np.int64)[labels] if labels.ndim == 1 else labels


def as_rows(outputs: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return raw outputs as (n, k): one number per image is that of the second of two classes."""
    rows = np.asarray(outputs)
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] != 1:
        return rows
    first = 1 - rows if kind == "probabilities" else np.zeros_like(rows)
    return np.concatenate([first, rows], axis=1)


def predictions(outputs: NDArray[Any]) -> NDArray[np.int32]:
    """Return the predicted classes (n,) of outputs of any kind."""
    return (outputs if outputs.ndim == 1 else outputs.argmax(axis=-1)).astype(np.int32)


def reduced(outputs: NDArray[Any], kind: str, wanted: str) -> NDArray[Any]:
    """Turn outputs of one kind into one that says less."""
    if wanted == kind:
        return outputs
    if wanted == "labels":
        return predictions(outputs)
    return softmax(outputs.astype(np.float32))


def restricted(teacher: BlackBox, access: str) -> BlackBox:
    """Return the teacher as it is seen with `--access full`, `probabilities` or `labels`.

    Raises RequestError where it gives less than that, or an image has no label of its own.
    """
    if access == "full" or (access == "probabilities" and teacher.outputs == "sigmoids"):
        return teacher
    if teacher.outputs == "sigmoids":
        raise RequestError(
            f"--access {access}: the teacher says of each of its {teacher.classes} labels on its"
            " own whether an image has it; pass --access probabilities"
        )
    if OUTPUTS.index(access) < OUTPUTS.index(teacher.outputs):
        raise RequestError(
            f"--access {access}: the teacher gives {teacher.outputs} only;"
            f" pass --access {teacher.outputs}"
        )
    return Function(
        teacher.name,
        access,
        teacher.input_shape,
        teacher.classes,
        lambda images: reduced(teacher(images), teacher.outputs, access),
        getattr(teacher, "head", LOGITS),
    )


def of_network(network: "keras.Model", name: str, *, by_label: bool) -> BlackBox:
    """See no more of a network, from images in [-1, 1] to logits (n, k), than its outputs.

    Those of labels that are each on their own are sigmoids.
    """
    import tensorflow as tf

    from kextract.datasets.images import scale
    from kextract.models.cost import at_once, in_batches
    from kextract.runtime import compiled

    def forward(images: tf.Tensor) -> tf.Tensor:
        logits = network(images, training=False)
        return tf.sigmoid(logits) if by_label else logits

    spec = tf.TensorSpec(network.input_shape, tf.float32)
    run, size = compiled(forward, input_signature=[spec]), at_once(network, AT_ONCE)
    return Function(
        name,
        "sigmoids" if by_label else "logits",
        tuple(network.input_shape[1:]),
        int(network.output_shape[-1]),
        lambda images: in_batches(lambda part: run(tf.constant(scale(part))), images, size),
    )
