"""Measuring checkpoints on labelled images, alone and against a teacher, or on any by agreement."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kextract import runtime
from kextract.config.requests import EvaluateRequest
from kextract.datasets.class_matching import Matching, match_classes
from kextract.datasets.class_names import numerals
from kextract.datasets.images import Images
from kextract.datasets.transfer_images import load_transfer_images
from kextract.errors import RequestError
from kextract.reports import EvaluationResult
from kextract.runs.opening import Teacher, check_options_are_used, open_teacher
from kextract.runs.parts import cut, holdout_of
from kextract.runs.resume_store import images_sha256

if TYPE_CHECKING:
    from kextract.training.evaluation import FloatArray


def run_evaluation(
    request: EvaluateRequest,
    say: Callable[[str], object] = lambda text: None,
    *,
    given: Sequence[Teacher | None] = (),
    teacher: Teacher | None = None,
) -> list[EvaluationResult]:
    """Measure each checkpoint; all are opened before any is measured.

    That is on a part of its data set, or on `request.images`, which have no labels. `say` is given
    what is worth a line before, such as which pixels a network of another program is given.
    `given`, one for each checkpoint, and `teacher` are those that Python has in memory.
    """

    def opened(path: Path) -> Teacher:
        return open_teacher(
            path,
            request.external,
            request.machine,
            answering=request.answering,
            dataset=request.dataset,
            data="needed" if request.images is None else "unwanted",
            precision=request.precision,
        )

    runtime.limit_threads(request.machine.threads)
    in_memory = {id(model) for model in (*given, teacher) if model is not None}
    models = [known or opened(path) for path, known in zip_longest(request.checkpoints, given)]
    if teacher is None and request.against is not None:
        teacher = opened(request.against)
    opened_models = [*models, *([teacher] if teacher else [])]
    answering = request.answering if any(id(m) not in in_memory for m in opened_models) else None
    check_options_are_used(request.external, *opened_models, answering=answering)
    if teacher is not None:
        models = [_against(model, teacher) for model in models]
    doubts = dict.fromkeys(doubt for model in opened_models for doubt in model.doubts)
    about: list[str] = []
    parts = [_images(model, request, about.append) for model in models]
    told = (note for model in models for note in model.all_notes)
    for note in dict.fromkeys([*doubts, *told, *about]):
        say(note)
    runtime.start()
    precision = runtime.resolve_precision(request.precision)
    targets = _TeacherLogits(teacher, precision)
    results = [
        _measure(model, images, request, targets, precision)
        for model, images in zip(models, parts, strict=True)
    ]
    for doubt in doubts:
        say(doubt)
    return results


def _against(opened: Teacher, teacher: Teacher) -> Teacher:
    """Note what is assumed of the teacher too. Raises RequestError for one of other classes."""
    if opened.info.classes != teacher.info.classes:
        raise RequestError(
            f"--against '{teacher.path}': knows {teacher.info.classes} classes, but"
            f" '{opened.path}' {opened.info.classes}"
        )
    note = _same_classes(opened, teacher).note
    return replace(opened, notes=(*opened.notes, *teacher.notes, *([note] if note else [])))


def _same_classes(opened: Teacher, teacher: Teacher) -> Matching:
    """Find the teacher's classes among the outputs of a classifier."""
    classes = teacher.info.classes
    names = teacher.info.class_names or numerals(classes)
    return match_classes(
        f"'{opened.path}'",
        opened.info.class_names,
        opened.info.classes,
        f"'{teacher.path}'",
        names,
        range(classes),
    )


def _images(opened: Teacher, request: EvaluateRequest, say: Callable[[str], object]) -> Images:
    """Return the images to measure on; without labels there are none of these."""
    if request.images is not None:
        shape = opened.info.input_shape
        found = load_transfer_images(request.images, request.machine.data_dir, shape, say=say)
        return Images(found, np.zeros(0, np.int64))
    if opened.data is None:
        raise RequestError(opened.missing)
    return cut(opened.data, request.split, holdout_of(opened.info.config))


class _TeacherLogits:
    """A teacher's logits, computed once for all that is measured on the same images."""

    def __init__(self, teacher: Teacher | None, precision: str) -> None:
        self.teacher = teacher
        self._precision = precision
        self._known: dict[str | None, FloatArray] = {}

    def on(self, images: Images, opened: Teacher) -> "FloatArray | None":
        """Return logits (n, k) on the images, in the order of `opened`; None without a teacher."""
        if self.teacher is None:
            return None
        digest = images_sha256(images)
        if digest not in self._known:
            self._known[digest], _ = self.teacher.logits(images.x, self._precision)
        return self._known[digest][:, np.argsort(_same_classes(opened, self.teacher).outputs)]


def _measure(
    opened: Teacher,
    images: Images,
    request: EvaluateRequest,
    targets: _TeacherLogits,
    precision: str,
) -> EvaluationResult:
    from kextract.training.evaluation import agreement_and_kl, class_accuracies, score

    logits, penalty = opened.logits(images.x, precision)
    target = targets.on(images, opened)
    result = EvaluationResult(
        checkpoint=str(opened.path),
        dataset=request.images or (opened.data.name if opened.data else ""),
        split=None,
        images=len(images.x),
        against=str(targets.teacher.path) if targets.teacher else None,
    )
    if target is not None:
        agreement, kl = agreement_and_kl(logits, target)
        result = replace(result, agreement=agreement, kl=kl)
    if request.images is not None:
        return result
    scores = score(logits, images.y, penalty=penalty)
    per_class = class_accuracies(logits, images.y, opened.info.classes)
    names = opened.info.class_names or numerals(opened.info.classes)
    return replace(
        result,
        split=request.split,
        loss=scores.loss,
        accuracy=scores.accuracy,
        cross_entropy=scores.cross_entropy,
        per_class=tuple((name, *found) for name, found in zip(names, per_class, strict=True)),
    )
