"""`kextract quickstart`: the article's experiment and ours on generated digits."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kextract.cli import options
from kextract.cli.guard import guarded
from kextract.runs.outputs import FOLDER, picture_file

TEACHER = "quickstart-teacher.weights.h5"
RANDOM = "quickstart-random.weights.h5"
ADVERSARIAL = "quickstart-adversarial.weights.h5"
INVERSION = "quickstart-inversion.weights.h5"
INVERSION_EPOCHS = "4"


@guarded
def quickstart(
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the checkpoints.")
    ] = FOLDER,
    format: options.Format = "auto",
    debug: options.Debug = False,
) -> None:
    """Run the article's experiment on generated digits, and then do better.

    Trains a teacher, teaches one student with random and one with adversarial noise, and one with
    images that are drawn out of the teacher, and compares them. Takes about three minutes: the
    teacher gets 3 epochs instead of up to 50, the students of noise 5 and 3 instead of 10,
    adversarial noise fewer but larger updates, and the last student 400 updates instead of 1,200.
    Files of an earlier quickstart are replaced.
    """
    names = (TEACHER, RANDOM, ADVERSARIAL, INVERSION)
    teacher, random, adversarial, inversion = (str(folder / name) for name in names)
    shared = ["--overwrite", *([] if format == "auto" else ["--format", format])]
    _act(
        "1/5  Train a teacher on generated digits; 3 epochs are enough for a start.",
        ["train-teacher", "--dataset", "strokes", "--epochs", "3", "--batch-size", "128",
         "--output", teacher, *shared],
    )  # fmt: skip
    _act(
        "2/5  Teach a student with random noise: the teacher has little to say about it.",
        ["distill", teacher, "--method", "random", "--epochs", "5", "--output", random, *shared],
    )
    _act(
        "3/5  Teach a student with adversarial noise, on which the teacher is sure of a class.",
        ["distill", teacher, "--method", "adversarial", "--epochs", "3",
         "--steps-per-epoch", "10", "--learning-rate", "1e-3", "--output", adversarial, *shared],
    )  # fmt: skip
    _act(
        "4/5  Teach a student with images that a generator draws out of the teacher.",
        ["distill", teacher, "--method", "inversion", "--epochs", INVERSION_EPOCHS,
         "--warm-up", "60", "--generator-steps", "6", "--save-images", INVERSION_EPOCHS,
         "--output", inversion, *shared],
    )  # fmt: skip
    _act(
        "5/5  Compare: noise does not carry the teacher's knowledge far, drawn images do.",
        ["compare", teacher, random, adversarial, inversion],
    )
    picture = picture_file(folder / INVERSION, int(INVERSION_EPOCHS))
    _say(f"What the teacher thinks that digits look like: '{picture}'.")
    _say(f"The checkpoints are in '{folder}'. Next:")
    _say(f"  kextract evaluate {teacher} {inversion} --against {teacher}")
    _say(f"  kextract distill {teacher} --method inversion --student lenet5")
    _say("  kextract train-teacher --dataset mnist")


def _act(title: str, arguments: list[str]) -> None:
    """Run a command of kextract as if it had been typed, saying what it is for."""
    from kextract.cli.app import app
    from kextract.runs.common import ARGUMENTS

    _say(f"\n{title}")
    _say(f"$ {shlex.join(['kextract', *arguments])}")
    token = ARGUMENTS.set(arguments)
    try:
        code = app(arguments, standalone_mode=False)
    finally:
        ARGUMENTS.reset(token)
    if code:
        raise typer.Exit(code)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
