"""Which output of a classifier a class of a data set is: by name, by number, or by place."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kextract.datasets.images import Dataset, Labels
from kextract.datasets.names import numerals
from kextract.errors import DatasetError
from kextract.text import listed, printable

SETTLES = "--class-names FILE says what the outputs are called, in their order"

_NUMBER = re.compile(r"\s*0*([0-9]{1,9})\s*", re.ASCII)
_LEFT_OUT = re.compile(r"[\s_/-]+")
"""What two spellings may differ in; a folder's name, unlike a class's, cannot have a slash."""
_UNKNOWN = -1
_MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class MatchedClasses:
    """Where classes are among the outputs of a classifier."""

    outputs: tuple[int, ...]
    """The output of each class; -1 for one that the classifier does not know and no image has."""
    names: tuple[str, ...]
    """What the outputs are called: by the classifier, else by data that name all; or nothing."""
    note: str | None = None
    """What was assumed, in a line."""


def matched(
    data: Dataset, classifier: str, known: Sequence[str], classes: int
) -> tuple[Dataset, tuple[str, ...]]:
    """Bring the labels of a data set to the outputs of a classifier; see `match_classes`.

    Returns the data set, with labels from 0 to `classes` - 1 and notes on what was assumed and on
    classes that it lacks, and the names of the outputs, which may be none.
    """
    used = _used(data.y_train, data.y_test)
    subject = f"data set '{data.name}'"
    found = match_classes(classifier, known, classes, subject, data.class_names, used)
    outputs = np.array(found.outputs, np.int64)
    names = found.names or numerals(classes)
    missing = sorted(set(range(classes)) - {found.outputs[place] for place in used})
    notes = [*data.notes, *([found.note] if found.note else [])]
    if missing:
        unnamed = data.class_names == numerals(data.classes)
        counted = "; its labels are taken to count from 0" if unnamed and 0 not in used else ""
        notes.append(
            f"{subject} has no images of {len(missing)} of the {classes} classes of {classifier}:"
            f" {listed([names[output] for output in missing])}{counted}"
        )
    labels = [None if split is None else outputs[split] for split in (data.y_train, data.y_test)]
    data = replace(data, y_train=labels[0], y_test=labels[1], class_names=names, notes=tuple(notes))
    return data, found.names


def note_unseen(data: Dataset) -> tuple[str, ...]:
    """Say in a line which classes have no training images, so that they cannot be learned."""
    unseen = sorted(set(range(data.classes)) - set(_used(data.y_train)))
    if data.y_train is None or not unseen:
        return ()
    unnamed = data.class_names == numerals(data.classes)
    return (
        f"data set '{data.name}' has no training images of {len(unseen)} of its {data.classes}"
        f" classes: {listed([data.class_names[place] for place in unseen])}"
        + ("; its labels are taken to count from 0" if unnamed else ""),
    )


def match_classes(
    classifier: str,
    known: Sequence[str],
    classes: int,
    subject: str,
    names: Sequence[str],
    used: Collection[int],
) -> MatchedClasses:
    """Find the outputs of the classes called `names`, of which those at `used` have images.

    `known` are the names of the `classes` outputs, or nothing; the numbers from 0 on stand for
    names that nobody gave. Names match exactly, or else apart from case, spaces, `_`, `-` and `/`;
    numbers by value. Where one side has no names, a class is taken by its number or place, and a
    note says so; numbers beyond the outputs, such as 1 to 10 for 10 of them, in their order where
    there are as many.

    `classifier` and `subject`, which has the classes, are for messages. Raises DatasetError for
    used classes that the classifier does not know or that could be several of its own.
    """
    known, names = tuple(known), tuple(names)
    if names == known:
        return MatchedClasses(tuple(range(classes)), known)
    candidates, by_place = _candidates(known, classes, names, used)
    unknown = [names[place] for place in used if not candidates[place]]
    if unknown:
        raise DatasetError(
            f"{subject} {_unknown(classifier, known, classes, names, used, unknown)}"
        )
    _check_one_to_one(classifier, subject, names, {place: candidates[place] for place in used})
    outputs = tuple(found[0] if len(found) == 1 else _UNKNOWN for found in candidates)
    by_output = dict(zip(outputs, names, strict=True))
    complete = all(output in by_output for output in range(classes))
    called = known or (tuple(by_output[output] for output in range(classes)) if complete else ())
    if not by_place:
        return MatchedClasses(outputs, called)
    if known and _are_numbers(names[place] for place in used):
        nameless, pairs = subject, [(int(names[at]), known[outputs[at]]) for at in used]
    else:
        nameless, pairs = classifier, [(outputs[at], names[at]) for at in used]
    return MatchedClasses(
        outputs, called, f"{nameless} has no class names: {_taken(pairs)}; {SETTLES}"
    )


def _candidates(
    known: tuple[str, ...], classes: int, names: tuple[str, ...], used: Collection[int]
) -> tuple[list[list[int]], bool]:
    """Return the outputs that each class could be, and whether they are more than its name says."""
    by_name = _by_name(known or numerals(classes), names)
    if all(by_name[place] for place in used):
        return by_name, not known and names != numerals(len(names))
    if _are_numbers(names[place] for place in used):
        if known and _are_numbers(known):
            return by_name, False
        return _by_number(names, used, classes), True
    if known in ((), numerals(classes)) and len(names) <= classes:
        return [[place] for place in range(len(names))], True
    return by_name, False


def _by_name(known: tuple[str, ...], names: tuple[str, ...]) -> list[list[int]]:
    exact: dict[str, list[int]] = {}
    alike: dict[str, list[int]] = {}
    for output, name in enumerate(known):
        exact.setdefault(name, []).append(output)
        alike.setdefault(spelled(name), []).append(output)
    return [exact.get(name) or alike.get(spelled(name), []) for name in names]


def _by_number(names: tuple[str, ...], used: Collection[int], classes: int) -> list[list[int]]:
    """Take numbers for outputs, or in their order where they pass those and are as many."""
    numbers = [int(_number(name) or -1) for name in names]
    order = sorted({numbers[place] for place in used})
    if order[-1] >= classes == len(order):
        return [[order.index(number)] if number in order else [] for number in numbers]
    return [[number] if 0 <= number < classes else [] for number in numbers]


def _check_one_to_one(
    classifier: str, subject: str, names: Sequence[str], found: Mapping[int, list[int]]
) -> None:
    """Refuse a name that could be several outputs, and two names of one output."""
    owners: dict[int, str] = {}
    for place, outputs in found.items():
        name = names[place]
        if len(outputs) > 1:
            raise DatasetError(
                f"{subject}: '{printable(name)}' could be the outputs"
                f" {' and '.join(map(str, outputs[:_MOST_LISTED]))} of {classifier}; {SETTLES}"
            )
        first = owners.setdefault(outputs[0], name)
        if first is not name:
            raise DatasetError(
                f"{subject}: '{printable(first)}' and '{printable(name)}' are both output"
                f" {outputs[0]} of {classifier}: make one class of them, or name them apart"
            )


def _unknown(
    classifier: str,
    known: tuple[str, ...],
    classes: int,
    names: tuple[str, ...],
    used: Collection[int],
    unknown: Sequence[str],
) -> str:
    """Say what the classifier does not know, what it knows, and what would settle it."""
    if known in ((), numerals(classes)) and not _are_numbers(unknown):
        return (
            f"has {len(names)} classes, but {classifier} knows {classes}: choose another --dataset"
        )
    from_1 = {_number(names[place]) for place in used} == {*numerals(classes + 1)[1:]}
    hint = f"; for labels that begin at 1 its lines are 1 to {classes}" if from_1 else ""
    return (
        f"has classes that {classifier} does not know: {listed(unknown)}; it knows"
        f" {listed(known or numerals(classes))}: {SETTLES}{hint}"
    )


def _taken(pairs: Iterable[tuple[int, str]]) -> str:
    texts = [f"{number} for '{name}'" for number, name in sorted(pairs)]
    first = texts[0].replace(" for ", " is taken for ", 1)
    return f"class {listed([first, *texts[1:]], _MOST_LISTED)}"


def _number(name: str) -> str | None:
    """Write the number that a name is without what stands before and after it, else None."""
    found = _NUMBER.fullmatch(name)
    return found[1] if found else None


def _are_numbers(names: Iterable[str]) -> bool:
    return all(_number(name) is not None for name in names)


def spelled(name: str) -> str:
    """Leave out what two spellings of a name may differ in."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return _number(name) or _LEFT_OUT.sub("", plain) or name


def _used(*splits: Labels | None) -> list[int]:
    """List the classes that have images."""
    found = [np.unique(labels) for labels in splits if labels is not None]
    return [int(label) for label in np.unique(np.concatenate(found))] if found else []
