"""What the loops report: plain data that displays show, checkpoints store and reports read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the running epoch stands; shown, then forgotten."""

    epoch: int
    phase: str
    """What is being done: "training", "crafting noise", "evaluating"."""
    done: int
    """Steps finished in this phase of the epoch."""
    total: int
    images: int
    """Images gone through in this phase of the epoch."""
    loss: float | None = None
    """Mean training loss of the epoch so far, nats."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One row of the epoch table."""

    epoch: int
    """0 is the model before any training."""
    loss: float | None = None
    """Validation loss: cross-entropy in nats plus the model's weight penalty, as Keras reports it.

    None, as all metrics that need labelled images, where there are none.
    """
    accuracy: float | None = None
    """Validation accuracy, 0 to 1."""
    train_loss: float | None = None
    """Mean loss over the epoch's updates; none at epoch 0."""
    agreement: float | None = None
    """Share of validation images on which student and teacher answer the same, 0 to 1."""
    kl: float | None = None
    """Mean KL(teacher || student) on the validation images, nats."""
    seconds: float = 0.0
    """Wall time of the epoch, evaluation included."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Further metrics by name, such as `confidence`, `iterations`, `synthesis_seconds`."""

    def to_dict(self) -> dict[str, Any]:
        """Give the record as a dictionary that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line of its own: an early stop, a missing data set."""

    text: str


@dataclass(frozen=True, slots=True)
class EarlierKept(Note):
    """The trained network has the weights of an epoch before the last."""

    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The images that a student is taught with, as a grid to be looked at."""

    epoch: int
    grid: "NDArray[np.uint8]"
    """(height, width, 1 or 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that it takes to go on from the end of an epoch; kept on disk, never shown."""

    history: tuple[EpochRecord, ...]
    """From epoch 0 on; best-so-far and early stopping follow from it."""
    tensors: "Mapping[str, NDArray[np.generic]]"
    """By group and place in it, such as `model/0`, `optimizer/3`, `source/steps_made`."""


Event = Progress | EpochRecord | Note | Picture | Snapshot


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the record with the highest validation accuracy, the latest among equals.

    The untrained epoch 0 is not considered where a later one has a lower loss: few images may tell
    losses apart and not accuracies. None where no epoch was validated.
    """
    validated = [record for record in history if record.accuracy is not None]
    trained = [record for record in validated if record.epoch > 0]
    if any(_has_lower_loss(record, validated[0]) for record in trained):
        validated = trained
    return max(validated, key=lambda record: (record.accuracy, record.epoch), default=None)


def _has_lower_loss(record: EpochRecord, first: EpochRecord) -> bool:
    return (
        first.epoch == 0
        and record.loss is not None
        and first.loss is not None
        and record.loss < first.loss
    )
