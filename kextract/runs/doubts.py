"""What is worth a line of a network whose file leaves open what it takes, or what it gives."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.models.heads import Head
from kextract.models.input_range import PIXELS, Preprocessing, RangeGuess
from kextract.text import one_line

if TYPE_CHECKING:
    from kextract.runs.opening import Teacher


def with_doubts(
    opened: "Teacher", requested: Preprocessing | None, guess: RangeGuess, head: Head
) -> "Teacher":
    """Add what is worth a line about pixels and outputs."""
    about = (*about_pixels(opened.path, requested, guess), *about_outputs(opened.path, head))
    return replace(
        opened,
        notes=(*opened.notes, *about),
        doubts=doubt_about_pixels(opened.path, requested, guess),
        outputs=head.given,
    )


def about_pixels(path: Path, requested: Preprocessing | None, guess: RangeGuess) -> tuple[str, ...]:
    """Say which pixels a network is given by default, or why others look right."""
    found = guess.preprocessing
    if requested is None and found is None:
        return (
            f"'{path}' is given pixels as {PIXELS}, as {guess.reason}; --input-range says which"
            " it takes",
        )
    if requested is None and guess.rival is None:
        doubt = "" if guess.confident else "; --input-range says otherwise"
        return (f"'{path}' is given pixels as {found}: {guess.reason}{doubt}",)
    if guess.confident and found != requested:
        return (
            f"--input-range {requested}: '{path}' looks as if it takes {found}: {guess.reason}",
        )
    return ()


def doubt_about_pixels(
    path: Path, requested: Preprocessing | None, guess: RangeGuess
) -> tuple[str, ...]:
    """Say that two ranges are close, with the two commands that settle which one it is."""
    found, rival = guess.preprocessing, guess.rival
    if requested is not None or found is None or rival is None:
        return ()
    command = f"kextract evaluate {shlex.quote(one_line(path))} -d DATA --input-range"
    return (
        f"'{path}' may be given the wrong pixels: {guess.reason}, and {rival} nearly as well;"
        f" {found} is taken. Labelled images of its kind settle it: {command}{found.typed} and"
        f" {command}{rival.typed}",
    )


def about_outputs(path: Path, head: Head) -> tuple[str, ...]:
    """Say what outputs are taken for where that is not sure, or an image may have several."""
    if head.confident and head.by_label:
        return (
            f"'{path}' says of each of its {head.numbers} labels on its own whether an image has"
            f" it: {head.reason}; --outputs probabilities takes them for classes, one per image",
        )
    if head.confident:
        return ()
    return (
        f"the outputs of '{path}' are taken for {head.outputs}: {head.reason}; --outputs says"
        " otherwise",
    )
