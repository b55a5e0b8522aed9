"""Finished runs as reports see them: what checkpoints say, alone and over several seeds.

Without names to group by, two runs belong together where all that was chosen is the same but the
seed: the data set, the architecture, every option, and for students the teacher. Teachers are the
same where they are the same file, or where both are given and themselves differ only in their seed.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal, Self

from kextract.errors import UnknownNameError
from kextract.records import EpochRecord
from kextract.text import dimensions, without_ending

if TYPE_CHECKING:
    from kextract.storage import CheckpointInfo

_NOT_FACTS = frozenset(
    {"seed", "command", "options", "kept_epoch", "sent", "class_shares", "sha256"}
)
"""What of a configuration differs in every run of a study, came of it, or is said twice."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a checkpoint says of the run that made it."""

    label: str
    """How the run is called; "" takes kind and method: "student (adversarial)"."""
    kind: Literal["teacher", "student"]
    history: tuple[EpochRecord, ...]
    kept: EpochRecord | None = None
    """The epoch whose weights are in the file."""
    test: Mapping[str, float] = field(default_factory=dict)
    """Metrics on the test images by name."""
    method: str = ""
    """Where a student's images came from; "" for a teacher."""
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    """All that was chosen but the seed, by name: data set, model, method, every option."""
    sha256: str = ""
    """Over the tensors; "" where it is not known."""
    teacher: str = ""
    """The file name of a student's teacher."""
    teacher_sha256: str = ""
    parameters: int | None = None
    """Numbers in the file's tensors, the statistics of batch normalizations included."""

    @classmethod
    def of(cls, label: str, info: "CheckpointInfo", parameters: int | None = None) -> Self:
        """Take what a checkpoint of kextract says about itself."""
        facts = {
            "kind": info.kind,
            "dataset": info.dataset,
            "model": info.model,
            "pooling": info.pooling,
            "input_shape": dimensions(info.input_shape),
            "classes": info.classes,
            **_flat(info.config),
            "precision": info.precision,
        }
        return cls(
            label,
            "teacher" if info.kind == "teacher" else "student",
            info.history,
            info.kept,
            test=info.test,
            method=str(info.config.get("method", "")),
            seed=info.seed,
            facts=facts,
            sha256=info.sha256,
            teacher=info.teacher or "",
            teacher_sha256=info.teacher_sha256 or "",
            parameters=parameters,
        )

    @property
    def name(self) -> str:
        """The label, or what stands for it."""
        if self.label:
            return self.label
        return f"{self.kind} ({self.method})" if self.method else self.kind

    @property
    def start(self) -> EpochRecord | None:
        """The record of the untrained model, where it was measured."""
        return next((record for record in self.history if record.epoch == 0), None)

    @property
    def judged(self) -> tuple[EpochRecord, ...]:
        """The records that compete for the best: the trained ones, where there are any."""
        return tuple(record for record in self.history if record.epoch > 0) or self.history


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Name the options of a configuration and its parts; outer ones hide inner ones."""
    inner: dict[str, Any] = {}
    outer: dict[str, Any] = {}
    for name, value in config.items():
        if name in _NOT_FACTS:
            continue
        if isinstance(value, Mapping):
            inner |= _flat(value)
        else:
            outer[name] = value
    return {**inner, **outer}


NAME, STUDENT, TEACHER, SEED = "name", "student", "teacher", "seed"
_ALWAYS = (NAME, STUDENT, TEACHER, SEED)
_MISSING = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are taken together, in the order in which they were given."""

    label: str
    runs: tuple[Run, ...]
    fields: tuple[tuple[str, str], ...] = ()
    """What the runs were grouped by: names and values; none where all but the seed had to agree."""

    @property
    def kind(self) -> str:
        """ "teacher" or "student"; all runs of a group are of one kind."""
        return self.runs[0].kind


def single(runs: Iterable[Run]) -> list[Group]:
    """Give each run a group of its own."""
    return [Group(run.name, (run,)) for run in runs]


def by_seed(runs: Sequence[Run]) -> list[Group]:
    """Take together what differs only in its seed; a group is called as its runs' files are."""
    keys = _Keys(runs)
    return [
        Group(_common_name(members), tuple(members)) for members in _collect(runs, keys.of).values()
    ]


def by_fields(runs: Sequence[Run], names: Sequence[str]) -> list[Group]:
    """Take together what has the same values of the named facts; teachers never join students.

    `name` is the file's name without its seed, `student` the architecture of a student, `teacher`
    the name of its teacher's file. Raises UnknownNameError for a fact that no run has.
    """
    known = dict.fromkeys([*_ALWAYS, *(name for run in runs for name in run.facts)])
    for name in names:
        if name not in known:
            raise UnknownNameError("fact (--group-by)", name, known, listed=True)

    def key(run: Run) -> tuple[str, ...]:
        return (run.kind, *(_fact(run, name) for name in names))

    groups = []
    for (kind, *values), members in _collect(runs, key).items():
        shown = [value for value in values if value != _MISSING]
        label = ", ".join([*([kind] if kind == "teacher" else []), *shown]) or kind
        fields = tuple(zip(names, values, strict=True))
        groups.append(Group(label, tuple(members), fields))
    return groups


def seedless(name: str, seed: int) -> str:
    """Cut the seed off a file's name: "a-0", "a_s0" and "a-seed0" with seed 0 are "a"."""
    found = re.fullmatch(rf"(.*?[^-_.])[-_.](?:s|seed[-_]?)?{seed}", name, re.DOTALL)
    return found[1] if found else name


class _Keys:
    """What has to agree for two runs to differ only in their seed."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._teachers = {run.sha256: run for run in runs if run.kind == "teacher" and run.sha256}

    def of(self, run: Run) -> tuple[Any, ...]:
        # A run of which nothing is known is like no other.
        unknown = () if run.facts else (run.name, id(run))
        facts = tuple(sorted((name, repr(value)) for name, value in run.facts.items()))
        return (run.kind, facts, self._teacher(run), unknown)

    def _teacher(self, run: Run) -> Any:
        teacher = self._teachers.get(run.teacher_sha256) if run.kind == "student" else None
        return (run.teacher, run.teacher_sha256) if teacher is None else self.of(teacher)


def _collect(runs: Iterable[Run], key: Any) -> dict[tuple[Any, ...], list[Run]]:
    collected: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        collected.setdefault(key(run), []).append(run)
    return collected


def _fact(run: Run, name: str) -> str:
    if name == NAME:
        return seedless(run.name, run.seed)
    if name == SEED:
        return str(run.seed)
    if name == TEACHER:
        return without_ending(run.teacher)
    if name == STUDENT:
        value = run.facts.get("model") if run.kind == "student" else None
    else:
        value = run.facts.get(name)
    return _MISSING if value is None else str(value)


def _common_name(runs: Sequence[Run]) -> str:
    """Call runs as their files are called without the seed; as the first where they differ."""
    if len(runs) == 1:
        return runs[0].name
    names = {seedless(run.name, run.seed) for run in runs}
    return names.pop() if len(names) == 1 else f"{runs[0].name} and {len(runs) - 1} more"


@dataclass(frozen=True, slots=True)
class Spread:
    """What several runs gave for one metric."""

    mean: float
    std: float | None
    """The sample standard deviation (n - 1); None for a single run."""
    count: int
    """Runs that have the metric."""


def spread(values: Iterable[float | None]) -> Spread | None:
    """Summarize the finite values; None where there are none."""
    measured = [value for value in values if value is not None and math.isfinite(value)]
    if not measured:
        return None
    std = stdev(measured) if len(measured) > 1 else None
    return Spread(fmean(measured), std, len(measured))
