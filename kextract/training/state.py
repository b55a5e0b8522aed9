"""What a loop has to remember between two epochs, taken out as arrays and put back.

Data order, augmentation and noise are functions of (seed, epoch, step) and need no remembering; the
best epoch of a student that began as its teacher, which is never left worse than it began, does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.errors import CheckpointError
from kextract.methods.base import Method, within
from kextract.records import EarlierKept, EpochRecord, Snapshot

Tensors = Mapping[str, NDArray[Any]]
Variables = Sequence[keras.Variable]
CHOSEN = "chosen/epoch"
"""Where a snapshot says which epoch was the best so far; those of earlier versions do not."""


def take(group: str, variables: Variables) -> dict[str, NDArray[Any]]:
    """Copy variables out, named after the group and their place in it: `model/0`, `model/1`."""
    return {
        f"{group}/{place}": np.array(variable.value.numpy())
        for place, variable in enumerate(variables)
    }


def values_of(tensors: Tensors, group: str, variables: Variables) -> list[NDArray[Any]]:
    """Return a group's arrays in the order of the variables.

    Raises CheckpointError unless they are as many, and each has its variable's shape and dtype.
    """
    expected = {
        f"{group}/{place}": (tuple(variable.shape), str(variable.dtype))
        for place, variable in enumerate(variables)
    }
    _check(group, within(tensors, group), within(expected, group))
    return [tensors[name] for name in expected]


def put_back(tensors: Tensors, group: str, variables: Variables) -> None:
    """Assign a group's arrays to the variables. Raises CheckpointError where they do not fit."""
    for variable, value in zip(variables, values_of(tensors, group, variables), strict=True):
        variable.assign(value)


def take_source(source: Method) -> dict[str, NDArray[Any]]:
    """Copy out what a method remembers."""
    return {f"source/{name}": np.array(value) for name, value in source.state().items()}


def put_back_source(tensors: Tensors, source: Method) -> None:
    """Give a method its memory back. Raises CheckpointError where it does not fit."""
    state = within(tensors, "source")
    expected = {name: (value.shape, value.dtype.name) for name, value in source.state().items()}
    _check("source", state, expected)
    source.restore(state)


def _check(group: str, found: Tensors, expected: Mapping[str, tuple[tuple[int, ...], str]]) -> None:
    given = {name: (value.shape, value.dtype.name) for name, value in found.items()}
    for name in sorted({*given, *expected}):
        if given.get(name) != expected.get(name):
            raise CheckpointError(
                f"--resume: what was kept is not of this run: '{group}/{name}' is"
                f" {_described(given.get(name))}, expected {_described(expected.get(name))}; start"
                " over with --overwrite"
            )


def _described(what: tuple[tuple[int, ...], str] | None) -> str:
    return "missing" if what is None else f"{what[1]} of shape {what[0]}"


class BestEpoch:
    """Keeps the weights of the epoch, 0 included, that agreed most with the teacher.

    That is measured without labels, on validation images or, where there are none, on those of a
    `ProbeSet`; never on test images. An epoch is better if it agrees more, or as much at a lower
    divergence; what a student began with is given up for more agreement only.
    """

    def __init__(
        self, student: keras.Model, first: EpochRecord, *, begins_as_teacher: bool
    ) -> None:
        """Take a student whose epoch 0 is measured, before it is taught.

        One that is not known to begin as its teacher is taken to if it agrees with the teacher more
        than halfway from chance to always; else nothing is kept.
        """
        self._student = student
        self._best = first
        self._tensors: Tensors = {}
        measured = _measured(first)
        half = (1 + 1 / int(student.output_shape[-1])) / 2
        self._keeps = measured is not None and (begins_as_teacher or measured[0] > half)
        if self._keeps:
            self._tensors = take("best", student.variables)

    def consider(self, record: EpochRecord) -> None:
        """Keep the student's weights if its new epoch is the best so far."""
        if self._keeps and _is_better(record, self._best):
            self._best, self._tensors = record, take("best", self._student.variables)

    def state(self, current: EpochRecord) -> Tensors:
        """Return what a snapshot of the current epoch has to hold besides the current weights."""
        if not self._keeps:
            return {}
        chosen = {CHOSEN: np.array(self._best.epoch)}
        return chosen if self._best is current else {**chosen, **self._tensors}

    def restore(self, snapshot: Snapshot) -> None:
        """Remember what a snapshot holds, when its weights are the student's.

        One of an earlier version kept no best epoch, so the best that can be had is its last.
        Raises CheckpointError for weights of another student.
        """
        if not self._keeps:
            return
        last, chosen = snapshot.history[-1].epoch, snapshot.tensors.get(CHOSEN)
        epoch = last if chosen is None or chosen.size != 1 else int(chosen)
        if not 0 <= epoch <= last:
            raise CheckpointError(
                f"--resume: what was kept names epoch {epoch} as the best of {last}; start over"
                " with --overwrite"
            )
        self._best = snapshot.history[epoch]
        self._tensors = take("best", self._student.variables)
        if epoch != last:
            values_of(snapshot.tensors, "best", self._student.variables)
            self._tensors = {name: snapshot.tensors[name] for name in self._tensors}

    def take_back(self, last: EpochRecord) -> EarlierKept | None:
        """Give the student its best weights after the last epoch, and say so where that is news."""
        if not self._keeps or self._best is last:
            return None
        put_back(self._tensors, "best", self._student.variables)
        found, final = (_measured(record) for record in (self._best, last))
        assert found is not None and final is not None, "every epoch is measured alike"
        began = ", with which it began," if self._best.epoch == 0 else ""
        return EarlierKept(
            f"the student has the weights of epoch {self._best.epoch}{began} which agree with the"
            f" teacher most: on {found[0]:.1%} of images that it was not taught with, after epoch"
            f" {last.epoch} on {final[0]:.1%}",
            self._best.epoch,
        )


def _is_better(record: EpochRecord, best: EpochRecord) -> bool:
    found, before = _measured(record), _measured(best)
    if found is None or before is None:
        return False
    return found[0] > before[0] or (
        found[0] == before[0] and found[1] < before[1] and best.epoch > 0
    )


def _measured(record: EpochRecord) -> tuple[float, float] | None:
    """Return agreement, 0 to 1, and divergence, nats; None where neither was measured."""
    if record.agreement is not None and record.kl is not None:
        return record.agreement, record.kl
    if {"unseen_agreement", "unseen_kl"} <= record.details.keys():
        return record.details["unseen_agreement"], record.details["unseen_kl"]
    return None
