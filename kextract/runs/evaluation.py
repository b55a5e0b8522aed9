"""Measuring checkpoints on labelled images, alone and against a teacher."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kextract import runtime
from kextract.reports import EvaluationResult
from kextract.runs.parts import cut, holdout_of
from kextract.runs.subject import Subject, check_range_is_used, open_subject

if TYPE_CHECKING:
    from kextract.datasets.images import Images
    from kextract.models.input_range import InputRange
    from kextract.training.evaluation import FloatArray


def run_evaluation(
    checkpoints: Sequence[Path],
    *,
    against: Path | None,
    split: str,
    model: str | None,
    pooling: str | None,
    dataset: str | None,
    precision: str,
    threads: int | None,
    data_dir: Path | None,
    input_range: "InputRange | None" = None,
) -> list[EvaluationResult]:
    """Measure each checkpoint on a part of its data set; all are opened before any is measured."""

    def opened(path: Path) -> Subject:
        return open_subject(
            path,
            model=model,
            pooling=pooling,
            dataset=dataset,
            data_dir=data_dir,
            needs_data=True,
            input_range=input_range,
            precision=precision,
        )

    runtime.limit_threads(threads)
    subjects = [opened(path) for path in checkpoints]
    teacher = opened(against) if against else None
    check_range_is_used(input_range, *subjects, *([teacher] if teacher else []))
    parts = [_images(subject, split) for subject in subjects]
    runtime.start()
    arithmetic = runtime.resolve_precision(precision)
    return [
        _measure(subject, images, split, teacher, arithmetic)
        for subject, images in zip(subjects, parts, strict=True)
    ]


def _images(subject: Subject, split: str) -> "Images":
    assert subject.data is not None, "open_subject was told that data is needed"
    return cut(subject.data, split, holdout_of(subject.info.config))


def _logits(subject: Subject, images: "Images", precision: str) -> "tuple[FloatArray, float]":
    """Return a checkpoint's logits (n, k) on the images, and its weight penalty."""
    from kextract.training.evaluation import Predictor

    predictor = Predictor(subject.load(precision)[0])
    return predictor.logits(images.x), predictor.penalty()


def _measure(
    subject: Subject, images: "Images", split: str, teacher: Subject | None, precision: str
) -> EvaluationResult:
    from kextract.training.evaluation import class_accuracies, score

    logits, penalty = _logits(subject, images, precision)
    target = _logits(teacher, images, precision)[0] if teacher else None
    scores = score(logits, images.y, penalty=penalty, teacher=target)
    per_class = class_accuracies(logits, images.y, subject.info.classes)
    names = subject.info.class_names or [str(index) for index in range(subject.info.classes)]
    return EvaluationResult(
        checkpoint=str(subject.path),
        dataset=subject.data.name if subject.data else "",
        split=split,
        images=len(images.x),
        loss=scores.loss,
        accuracy=scores.accuracy,
        cross_entropy=scores.cross_entropy,
        per_class=tuple((name, *found) for name, found in zip(names, per_class, strict=True)),
        agreement=scores.agreement,
        kl=scores.kl,
        against=str(teacher.path) if teacher else None,
    )
