"""What a loop has to remember between two epochs, taken out as arrays and put back.

Data order, augmentation and noise are functions of (seed, epoch, step) and need no remembering.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.errors import CheckpointError
from kextract.methods.base import Method, within

Tensors = Mapping[str, NDArray[Any]]
Variables = Sequence[keras.Variable]


def take(group: str, variables: Variables) -> dict[str, NDArray[Any]]:
    """Copy variables out, named after the group and their place in it: `model/0`, `model/1`."""
    return {
        f"{group}/{place}": np.array(variable.value.numpy())
        for place, variable in enumerate(variables)
    }


def matching(tensors: Tensors, group: str, variables: Variables) -> list[NDArray[Any]]:
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
    for variable, value in zip(variables, matching(tensors, group, variables), strict=True):
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
