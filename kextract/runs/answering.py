"""Black-box teachers, opened for a command."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.config.shared import Answering, Foreign, Machine
from kextract.datasets.class_names import are_names
from kextract.errors import RequestError, TeacherError
from kextract.exports.class_names import read_names
from kextract.models.heads import LOGITS
from kextract.models.input_range import parse_input_range
from kextract.runs.opened import (
    OpenedModel,
    about_outputs,
    info_without_architecture,
    named_and_measured,
    own_data,
)
from kextract.teachers import Teacher, is_black_box, open_teacher, parse_input_shape
from kextract.teachers.protocol import FUNCTION, TIMEOUT

ASKED_AT_ONCE = 256


def open_answering(
    path: Path,
    foreign: Foreign,
    answering: Answering,
    machine: Machine,
    *,
    dataset: str | None = None,
    needs_data: bool = False,
    timeout: float = TIMEOUT,
) -> OpenedModel:
    """Open a black-box teacher and load the data set to measure on.

    Raises RequestError for what its file does not say and is not told, by flag name.
    """
    if foreign.model is not None:
        raise RequestError(
            f"--model {foreign.model}: '{path}' has a network of its own; leave --model out"
        )
    shape = parse_input_shape(answering.input_shape) if answering.input_shape else None
    data = own_data(path, dataset, machine, needed=needs_data)
    teacher = open_teacher(
        str(path),
        input_shape=shape,
        classes=answering.classes,
        input_range=parse_input_range(foreign.input_range) if foreign.input_range else None,
        access=answering.access,
        threads=machine.threads,
        timeout=timeout,
        outputs=foreign.outputs,
        output_name=foreign.output_name,
    )
    info = info_without_architecture(teacher.input_shape, teacher.classes)
    names = () if str(path).startswith(FUNCTION) else read_names(path)
    if len(names) == teacher.classes and are_names(names):
        info = replace(info, class_names=names)
    opened = OpenedModel(
        path,
        info,
        missing=f"name them with --dataset; '{path}' is a black box",
        notes=about_outputs(path, getattr(teacher, "head", LOGITS)),
        answering=teacher,
        outputs="logits" if teacher.outputs == "logits" else "probabilities",
    )
    return named_and_measured(opened, foreign.class_names, data)


def check_answering_is_used(answering: Answering, *paths: Path) -> None:
    """Refuse to be told what files say themselves."""
    if any(is_black_box(path) for path in paths):
        return
    for name in ("input_shape", "classes"):
        value = getattr(answering, name)
        if value is not None:
            raise RequestError(
                f"--{name.replace('_', '-')} {value}: '{paths[0]}' says itself what it takes and"
                " knows; leave it out"
            )


def answered_logits(teacher: Teacher, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Ask a teacher about images (n, h, w, c) without a ledger; return logits (n, k).

    Those of labels are of smoothed ones. Raises TeacherError for a failure, or for nonsense.
    """
    from kextract.methods.committee import target_logits
    from kextract.models.batches import in_batches
    from kextract.teachers.checking import checked

    def ask(part: NDArray[np.uint8]) -> NDArray[Any]:
        try:
            return checked(teacher(part), teacher.outputs, len(part), teacher.classes)
        except Exception as error:  # Services fail in every way there is.
            raise TeacherError(f"'{teacher.name}': {type(error).__name__}: {error}") from error

    outputs = in_batches(ask, images, ASKED_AT_ONCE)
    logits = target_logits(outputs, teacher.outputs, teacher.classes)
    return logits.astype(np.float64)
