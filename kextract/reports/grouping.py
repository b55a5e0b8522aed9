"""Runs that differ only in their seed, taken together.

Without names to group by, two runs belong together where all that was chosen is the same but the
seed: the data set, the architecture, every option, and for students the teacher. Teachers are the
same where they are the same file, or where both are given and themselves differ only in their seed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kextract.errors import UnknownNameError
from kextract.reports.run import Run

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
            raise UnknownNameError("fact (--group-by)", name, known)

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
        return run.teacher.removesuffix(".h5").removesuffix(".weights").removesuffix(".keras")
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
