"""Classifiers measured on images, alone and against a teacher, and what they say of new ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kextract import runtime
from kextract.config.requests import EvaluateRequest, PredictRequest
from kextract.datasets.class_matching import MatchedClasses, match_classes
from kextract.datasets.image_files import is_image_name
from kextract.datasets.image_folders import KINDS
from kextract.datasets.images import Images, Pixels, cut, fitted
from kextract.datasets.names import numerals
from kextract.datasets.npz import read_images
from kextract.datasets.transfer_images import (
    check_is_there,
    load_transfer_images,
    read_files,
    read_folder_images,
)
from kextract.errors import DatasetError, RequestError
from kextract.reports import EvaluationResult, Prediction
from kextract.runs.opening import Teacher, check_options_are_used, open_teacher
from kextract.runs.resume_store import images_sha256
from kextract.teachers.black_box import FUNCTION
from kextract.text import one_line

if TYPE_CHECKING:
    from kextract.training.evaluation import FloatArray


Say = Callable[[str], object]
"""Takes a line about what was read and what was guessed."""


def run_evaluation(
    request: EvaluateRequest,
    say: Say = lambda text: None,
    *,
    given: Sequence[Teacher | None] = (),
    teacher: Teacher | None = None,
) -> list[EvaluationResult]:
    """Measure each checkpoint; all are opened before any is measured.

    That is on a part of its data set, or on `request.images`, which have no labels. `say` is given
    what is worth a line before, such as which pixels a network of another program is given.
    `given`, one for each checkpoint, and `teacher` are those that Python has in memory.
    """

    def opened(path: Path, asked: EvaluateRequest = request) -> Teacher:
        return open_teacher(
            path,
            asked.external,
            request.machine,
            answering=asked.answering,
            dataset=request.dataset,
            needs_data=request.images is None,
            precision=request.precision,
        )

    runtime.limit_threads(request.machine.threads)
    if request.images is not None:
        check_is_there(request.images)
    in_memory = {id(model) for model in (*given, teacher) if model is not None}
    models = [known or opened(path) for path, known in zip_longest(request.checkpoints, given)]
    if teacher is None and request.against is not None:
        teacher = opened(request.against, _with_the_images_of(models[0], request))
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


def _with_the_images_of(model: Teacher, request: EvaluateRequest) -> EvaluateRequest:
    """Let a function, which says nothing of itself, take the images and classes of a model."""
    if not str(request.against).startswith(FUNCTION):
        return request
    shape = request.external.input_shape or ",".join(map(str, model.info.input_shape))
    classes = request.answering.classes or model.info.classes
    return replace(
        request,
        external=replace(request.external, input_shape=shape),
        answering=replace(request.answering, classes=classes),
    )


def _against(opened: Teacher, teacher: Teacher) -> Teacher:
    """Note what is assumed of the teacher too. Raises RequestError for one of other classes."""
    if opened.info.classes != teacher.info.classes:
        raise RequestError(
            f"--against '{teacher.path}': knows {teacher.info.classes} classes, but"
            f" '{opened.path}' {opened.info.classes}"
        )
    if opened.by_label != teacher.by_label:
        alone, other = (opened, teacher) if opened.by_label else (teacher, opened)
        raise RequestError(
            f"--against '{teacher.path}': '{alone.path}' says of each label on its own whether an"
            f" image has it, '{other.path}' gives an image one class; --outputs says what they give"
        )
    note = _same_classes(opened, teacher).note
    return replace(opened, notes=(*opened.notes, *teacher.notes, *([note] if note else [])))


def _same_classes(opened: Teacher, teacher: Teacher) -> MatchedClasses:
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


def _images(opened: Teacher, request: EvaluateRequest, say: Say) -> Images:
    """Return the images to measure on; without labels there are none of these."""
    if request.images is not None:
        shape = opened.info.input_shape
        found = load_transfer_images(request.images, request.machine.data_dir, shape, say=say)
        return Images(found, np.zeros(0, np.int64))
    if opened.data is None:
        raise RequestError(opened.missing)
    return cut(opened.data, request.split, opened.info.holdout)


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
    from kextract.training.evaluation import (
        agreement_and_kl,
        agreement_by_confidence,
        class_accuracies,
        log_softmax,
        score,
        shared_mistakes,
    )

    logits, penalty = opened.logits(images.x, precision)
    target = targets.on(images, opened)
    result = EvaluationResult(
        checkpoint=str(opened.path),
        dataset=request.images or (opened.data.name if opened.data else ""),
        split=None,
        images=len(images.x),
        against=str(targets.teacher.path) if targets.teacher else None,
    )
    predicted = logits.argmax(axis=-1)
    taught = None if target is None else target.argmax(axis=-1)
    if target is not None:
        agreement, kl = agreement_and_kl(logits, target, by_label=opened.by_label)
        result = replace(result, agreement=agreement, kl=kl)
        if not opened.by_label:
            same = predicted == taught
            confidence = log_softmax(target).max(axis=-1)
            unsure, sure = agreement_by_confidence(same, confidence)
            result = replace(result, agreement_unsure=unsure, agreement_sure=sure)
    if request.images is not None:
        return result
    by_label, classes = opened.by_label, opened.info.classes
    scores = score(logits, images.y, penalty=penalty, by_label=by_label)
    per_class = class_accuracies(logits, images.y, classes, by_label=by_label)
    names = opened.info.class_names or numerals(classes)
    mistakes = None
    if taught is not None and not by_label:
        mistakes = shared_mistakes(predicted, taught, images.y)
    return replace(
        result,
        mistakes=mistakes,
        split=request.split,
        loss=scores.loss,
        accuracy=scores.accuracy,
        cross_entropy=scores.cross_entropy,
        per_class=tuple((name, *found) for name, found in zip(names, per_class, strict=True)),
    )


def run_prediction(request: PredictRequest, say: Say) -> tuple[list[Prediction], tuple[str, ...]]:
    """Classify images of any size, brought to the size that the network takes.

    Returns the predictions and the names of the classes; `say` is given what is worth a line.
    Raises RequestError for a model or images that cannot be read.
    """
    runtime.limit_threads(request.machine.threads)
    _check_images(request.images)
    opened = open_teacher(
        request.model_file,
        request.external,
        request.machine,
        answering=request.answering,
        dataset=request.dataset,
        precision=request.precision,
    )
    check_options_are_used(request.external, opened, answering=request.answering)
    for text in (*opened.doubts, *opened.notes):
        say(text)
    files, pixels = _read(request.images, opened.info.input_shape, say)
    runtime.start()
    from kextract.teachers.black_box import pairs
    from kextract.training.evaluation import log_softmax

    logits, _ = opened.logits(pixels, runtime.resolve_precision(request.precision))
    by_label = opened.by_label
    shares = np.exp(log_softmax(pairs(logits)))[..., 1] if by_label else np.exp(log_softmax(logits))
    names = opened.info.class_names or numerals(opened.info.classes)
    found = [
        Prediction(
            file,
            label,
            names[label],
            float(row[label]),
            tuple(float(x) for x in row),
            tuple(names[x] for x in np.flatnonzero(row > 0.5)) if by_label else None,
        )
        for file, row, label in zip(files, shares, shares.argmax(axis=-1).tolist(), strict=True)
    ]
    for text in opened.doubts:
        say(text)
    return found, names


def _read(where: Path, shape: tuple[int, int, int], say: Say) -> tuple[list[str], Pixels]:
    """Read an image, the images in a folder or those in an .npz file, and name each."""
    if where.suffix.lower() == ".npz" and not where.is_dir():
        pixels = fitted(read_images(where, say), shape)
        return [str(place) for place in range(len(pixels))], pixels
    if where.is_dir():
        paths = read_folder_images(where, say)
        names = [str(path.relative_to(where)) for path in paths]
        return names, read_files(one_line(where), paths, shape, say)
    return [where.name], read_files(one_line(where), [where], shape, say)


def _check_images(where: Path) -> None:
    """Refuse what are not images before a network is read."""
    named = is_image_name(where.name) or where.suffix.lower() == ".npz"
    if where.is_dir() or (where.is_file() and named):
        return
    found = "another kind of file" if where.exists() else "nothing there"
    raise DatasetError(
        f"{one_line(where)}: expected an image, {KINDS}, a folder of them or an .npz file, found"
        f" {found}"
    )
