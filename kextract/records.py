"""What the loops report: plain data that displays show, checkpoints store and reports read.

The columns an epoch table can have are one registry for displays and reports.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count, pairwise, takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kextract.errors import UnknownNameError
from kextract.text import MISSING, decimals, duration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


VERDICT, NEXT = "verdict", "next"
"""In what came of a run, by name: what is said in sentences, and the command to type next."""


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


V = TypeVar("V")

BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 10
_ASCII = str.maketrans(BARS, "_.-:=+*#")
_EVEN = 4
"""The height, in eighths, of a share that is as large as all the others."""


@dataclass(frozen=True, slots=True)
class Column(Generic[V]):
    """One thing to tell of an epoch, mostly a number: where it comes from, how it is written."""

    name: str
    header: str
    width: int
    """Characters; neither the header nor what is written is longer."""
    value: Callable[[EpochRecord], V | None]
    """The value in full precision; None where the epoch has none."""
    write: Callable[[V], str]
    about: str = ""
    """What it is, where the header does not say it."""

    def text(self, record: EpochRecord) -> str:
        """Write what the record has to tell, "-" where that is nothing."""
        value = self.value(record)
        return MISSING if value is None else self.write(value)


def bars(shares: Sequence[float]) -> str:
    """Draw shares that sum to 1: half high is even, full is twice that or more.

    A bar a share; where there are more than `MOST_BARS`, they are sorted, the largest first, and
    each bar is the mean of about as many.
    """
    even = 1 / len(shares)
    if len(shares) > MOST_BARS:
        shares = _means(sorted(shares, reverse=True))
    heights = (round(_EVEN * share / even) for share in shares)
    return "".join(BARS[min(max(height, 1), len(BARS)) - 1] for height in heights)


def in_ascii(text: str) -> str:
    """Draw the bars in a text with characters that every encoding has."""
    return text.translate(_ASCII)


def _means(shares: Sequence[float]) -> list[float]:
    borders = [place * len(shares) // MOST_BARS for place in range(MOST_BARS + 1)]
    return [sum(shares[start:end]) / (end - start) for start, end in pairwise(borders)]


def _detail(name: str) -> Callable[[EpochRecord], float | None]:
    return lambda record: record.details.get(name)


def _numbered(group: str) -> Callable[[EpochRecord], Sequence[float] | None]:
    """Collect the details `group/0`, `group/1`, ..."""

    def collect(record: EpochRecord) -> Sequence[float] | None:
        names = takewhile(record.details.__contains__, (f"{group}/{n}" for n in count()))
        return [record.details[name] for name in names] or None

    return collect


def _metric(
    name: str,
    header: str,
    width: int,
    value: Callable[[EpochRecord], float | None],
    digits: int = 4,
    about: str = "",
) -> Column[float]:
    write = partial(decimals, digits=digits, width=width)
    return Column(name, header, width, value, write, about)


def _time(name: str, header: str, value: Callable[[EpochRecord], float | None]) -> Column[float]:
    return Column(name, header, max(6, len(header)), value, duration)


def _registry(*columns: Column[Any]) -> Mapping[str, Column[Any]]:
    return MappingProxyType({column.name: column for column in columns})


COLUMNS: Mapping[str, Column[Any]] = _registry(
    _metric("epoch", "epoch", 5, lambda record: record.epoch, digits=0),
    _metric("accuracy", "accuracy", 8, lambda record: record.accuracy),
    _metric(
        "agreement",
        "agreement",
        9,
        lambda record: record.agreement,
        about="same prediction as the teacher",
    ),
    _metric("cross_entropy", "loss", 6, _detail("cross_entropy")),
    _metric(
        "loss",
        "loss + L2",
        9,
        lambda record: record.loss,
        about="the article's, with the penalty on weights",
    ),
    _metric(
        "unseen_agreement",
        "unseen",
        6,
        _detail("unseen_agreement"),
        about="agreement with the teacher on made-up images it is not taught with",
    ),
    _metric(
        "transfer_agreement",
        "taught",
        6,
        _detail("transfer_agreement"),
        about="agreement on those it is taught with",
    ),
    _time("seconds", "time", lambda record: record.seconds),
    _metric("questions", "questions", 9, _detail("questions"), digits=0),
    _metric("confidence", "confidence", 10, _detail("confidence")),
    _metric("diversity", "diversity", 9, _detail("diversity")),
    _metric("train_loss", "train loss", 10, lambda record: record.train_loss),
    Column("class_shares", "classes", MOST_BARS, _numbered("class_shares"), bars, "images of each"),
    _metric("entropy", "even", 6, _detail("entropy"), about="1 is as many of each class"),
    _metric("iterations", "iterations", 10, _detail("iterations"), digits=1),
    _metric("requested", "requested", 9, _detail("requested")),
    _metric("kl", "kl", 8, lambda record: record.kl),
    _metric(
        "batch_norm_distance",
        "bn",
        7,
        _detail("batch_norm_distance"),
        digits=2,
        about="distance to the teacher's batch statistics",
    ),
    _time("synthesis_seconds", "synthesis", _detail("synthesis_seconds")),
    _time("student_seconds", "student", _detail("student_seconds")),
    _time("evaluation_seconds", "eval", _detail("evaluation_seconds")),
)
"""What matters most comes first: a narrow terminal leaves out the last."""


def column(name: str, kind: str = "column") -> Column[Any]:
    """Look a column up; `kind` is what an error calls it. Raises UnknownNameError."""
    if name not in COLUMNS:
        raise UnknownNameError(kind, name, COLUMNS)
    return COLUMNS[name]
