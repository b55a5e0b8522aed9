"""What came of a training, in sentences that a person can act on.

How good the network is, how far to trust that, and what to do next. Where a student is bad they say
so, with the likeliest cause.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kextract.config.resolve import program
from kextract.models.cost import Cost, relative
from kextract.records import NEXT, VERDICT
from kextract.storage import CheckpointInfo
from kextract.text import size_text

AS_GOOD, POOR = 0.95, 0.7
"""Shares of what its teacher has above chance: from here on a student is as good, below it poor."""
LIKE_CHANCE, LIKE_CHANCE_ON_PROBES = 0.1, 0.25
"""Shares of the way from chance to perfection below which next to nothing was learned."""
LEARNED = 0.9
"""Agreement on its own images from which on a student has learned what it was shown."""
FEW_CLASSES = 0.6
"""Evenness of a student's images below which most are of a few classes."""
LEAST_ERROR = 0.01
"""Standard error of a share below which it is written with a decimal."""
NOISE = frozenset({"random", "adversarial"})


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the trained network costs and, where it can be seen, its teacher."""

    own: Cost
    teacher: Cost | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said, and the command to type next, where there is one that fits all."""

    text: str
    command: str = ""

    def __str__(self) -> str:
        """Give both as one line."""
        return f"{self.text} Next: {self.command}" if self.command else self.text


def verdict(
    info: CheckpointInfo, sizes: Sizes, output: str = "FILE", teacher: str = "TEACHER"
) -> Verdict:
    """Judge a finished run by what its checkpoint says.

    `output` and `teacher` are what commands call them; of a run in memory nobody knows.
    `info.test` may hold, beside the network's own metrics, `teacher_accuracy` and `images`, their
    number. Without labelled images the made-up ones of the probe set are what there is.
    """
    if info.kind == "teacher":
        said, advice = _teacher(info, output)
    elif measured := _measured(info):
        said, advice = _student(info, measured, output, teacher)
    else:
        said, advice = _unmeasured(info, output, teacher)
    parts = said, _cost(sizes), advice.text
    return Verdict(" ".join(part for part in parts if part), advice.command)


def _teacher(info: CheckpointInfo, output: str) -> tuple[str, Verdict]:
    images, count = "the validation images", 0
    accuracy = info.kept.accuracy if info.kept else None
    if "accuracy" in info.test:
        accuracy, count = info.test["accuracy"], int(info.test.get("images", 0))
        images = _test_images(count)
    if accuracy is None:
        return "The teacher was measured on nothing.", _next("distill", output)
    said = f"The teacher is right on {percent(accuracy, count)} of {images}."
    if _is_like_chance(accuracy, info.classes, LIKE_CHANCE):
        advice = "It has learned next to nothing: try more --epochs or another --learning-rate, and"
        return said, Verdict(f"{advice} look whether images and labels belong together.")
    return said, _next("distill", output)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What labelled images say of a student."""

    images: str
    """Which ones: "1,000 test images"."""
    count: int
    agreement: float | None
    accuracy: float
    teacher: float | None

    def share(self, classes: int) -> float | None:
        """How much of what the teacher has above chance the student has too; None: not known."""
        chance = 1 / classes
        if self.teacher is None:
            return self.agreement
        return (self.accuracy - chance) / max(self.teacher - chance, 1e-9)


def _measured(info: CheckpointInfo) -> _Measured | None:
    """Take the test images' metrics or, without such, the validation images'."""
    test, kept = info.test, info.kept
    if "accuracy" in test:
        count = int(test.get("images", 0))
        teacher, agreement = test.get("teacher_accuracy"), test.get("agreement")
        return _Measured(_test_images(count), count, agreement, test["accuracy"], teacher)
    if kept and kept.accuracy is not None:
        return _Measured("the validation images", 0, kept.agreement, kept.accuracy, None)
    return None


def _student(
    info: CheckpointInfo, found: _Measured, output: str, teacher: str
) -> tuple[str, Verdict]:
    accuracy = percent(found.accuracy, found.count)
    if found.teacher is not None:
        accuracy += f", its teacher's {percent(found.teacher, found.count)}"
    said = f"is right on {accuracy} of {found.images}."
    if found.agreement is not None:
        agreement = percent(found.agreement, found.count)
        said = f"agrees with its teacher on {agreement} of {found.images} (accuracy {accuracy})."
    share = found.share(info.classes)
    if share is None:
        return f"The student {said}", _next("evaluate", output, "--against", teacher)
    poor = "has learned little: it " if share < POOR else ""
    return f"The student {poor}{said}", _advice(info, found, share, output, teacher)


def _advice(
    info: CheckpointInfo, found: _Measured, share: float, output: str, teacher: str
) -> Verdict:
    if found.teacher is not None and _is_like_chance(found.teacher, info.classes, LIKE_CHANCE):
        text = (
            "The teacher itself is hardly better than chance on these images: most likely it is"
            " given other pixels than it was trained with (--input-range), or these are not its"
            " images (--dataset)."
        )
        return Verdict(text, _next("inspect", teacher).command)
    if share >= AS_GOOD:
        return _next("export", output, "--int8")
    return Verdict(_remedy(info))


def _unmeasured(info: CheckpointInfo, output: str, teacher: str) -> tuple[str, Verdict]:
    """Say what the probe set says, how far to trust it, and what labelled images would add."""
    found = info.kept.details.get("unseen_agreement") if info.kept else None
    said = "How good the student is cannot be said without images to measure it on."
    remedy = ""
    if found is not None:
        little = _is_like_chance(found, info.classes, LIKE_CHANCE_ON_PROBES)
        remedy = f"{_remedy(info)} " if little else ""
        said = (
            f"The student {'has likely learned little: it ' if little else ''}agrees with its"
            f" teacher on {percent(found)} of made-up images that it was not taught with (by chance"
            f" {percent(1 / info.classes)}). That is a rough sign and mostly a low one, as they are"
            " harder than photographs or digits: students that were right on more than 90 % of test"
            " images have had 54 %."
        )
    labels = f"{remedy}50 labelled images would show its accuracy to within 10 points."
    command = _next("evaluate", output, "--against", teacher, "-d", "FOLDER").command
    return said, Verdict(labels, command)


def _remedy(info: CheckpointInfo) -> str:
    """Name the likeliest cause of what a student lacks, and what to try."""
    cause, trial = _cause(info)
    return f"Likeliest cause: {cause}. Try {trial}."


def _cause(info: CheckpointInfo) -> tuple[str, str]:
    config, details = info.config, info.history[-1].details
    methods = {config.get("method"), config.get("mix")} - {None}
    own = details.get("transfer_agreement", 1.0)
    if "collapsed" in details:
        return (
            "the generator collapsed, its images look alike",
            "another --seed, or a lower --generator-learning-rate",
        )
    if methods <= NOISE:
        return (
            "noise says little about images",
            "it without --method, which chooses one that fits the teacher",
        )
    if details.get("entropy", 1.0) < FEW_CLASSES:
        return (
            "most of its images are of a few classes",
            "--mix with another method, or --images with any pictures",
        )
    if own < LEARNED:
        return (
            f"it has not learned yet what it was shown (it agrees on {percent(own)} of that)",
            "more --epochs or --minutes, or a larger --student",
        )
    if "queries" in methods:
        return "it asked too little", "a larger --query-budget"
    return (
        "its images are unlike those it is measured on",
        "more --minutes, another --method, or --images with pictures that are more like them",
    )


def _cost(sizes: Sizes) -> str:
    """Say how large a network is, beside its teacher where that is another one."""
    own, teacher = sizes.own, sizes.teacher
    size = f"about {size_text(own.parameters)} of weights as int8"
    if teacher is None or own == teacher:
        return f"It has {own.parameters:,} parameters, {size}."
    shares = f"{_of(own.parameters, teacher.parameters)} its teacher's parameters"
    if teacher.multiply_adds:
        shares += f" and {_of(own.multiply_adds, teacher.multiply_adds)} the multiply-adds"
    return f"It has {shares}, {size}."


def _of(number: int, other: int) -> str:
    share = relative(number, other)
    return f"{share} of" if share.endswith("%") else share


def _next(command: str, *words: str) -> Verdict:
    """Give a command as it can be pasted."""
    return Verdict("", f"{program()} {shlex.join([command, *words])}")


def _is_like_chance(share: float, classes: int, above: float) -> bool:
    chance = 1 / classes
    return share < chance + above * (1 - chance)


def _test_images(count: int) -> str:
    return f"{count:,} test images" if count else "the test images"


def outcome(path: Path, test: Mapping[str, float], judged: Verdict) -> dict[str, Any]:
    """Say where a finished model is, how good it is on the test images, and what to do next."""
    shown = ("loss", "accuracy", "agreement")
    return {
        "checkpoint": str(path),
        **{f"test_{name}": test[name] for name in shown if name in test},
        **said(judged),
    }


def said(judged: Verdict) -> dict[str, str]:
    """Name what is said of a run as displays know it."""
    return {VERDICT: judged.text, **({NEXT: judged.command} if judged.command else {})}


def percent(share: float, count: int | None = None) -> str:
    """Write a share, with a decimal where it is one of so many images that it deserves one."""
    digits = 1 if count and share * (1 - share) < count * LEAST_ERROR**2 else 0
    return f"{100 * share:.{digits}f} %"
