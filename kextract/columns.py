"""The columns an epoch table can have: one registry for displays and reports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, pairwise, takewhile
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from kextract.errors import UnknownNameError
from kextract.records import EpochRecord
from kextract.text import MISSING, decimals, duration

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
    Column(
        "class_shares",
        "classes",
        MOST_BARS,
        _numbered("class_shares"),
        bars,
        "images of each",
    ),
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
