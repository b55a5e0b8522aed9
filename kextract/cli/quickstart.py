"""`kextract quickstart`: the article's experiment and ours on generated digits."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kextract.cli.commands import compare, distill, train_teacher
from kextract.config.option import table
from kextract.config.requests import REQUESTS, QuickstartRequest
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer, environment_layer

EPOCHS = 4
"""Of the last student."""


def quickstart(invocation: Invocation[QuickstartRequest]) -> None:
    """Run the article's experiment on generated digits, and then do better.

    Trains a teacher, teaches one student with random and one with adversarial noise, and one with
    images that are synthesized from the teacher, and compares them. Takes about three minutes: the
    teacher gets 3 epochs instead of up to 50, the students of noise 5 and 3 instead of 10,
    adversarial noise fewer but larger updates, and the last student 400 updates instead of 1,200.
    Files of an earlier quickstart are replaced.
    """
    from kextract.runs.outputs import picture_file

    folder = invocation.request.output
    teacher, random, adversarial, inversion = (
        folder / f"quickstart-{name}.weights.h5"
        for name in ("teacher", "random", "adversarial", "inversion")
    )
    shared: dict[str, Any] = {"seed": invocation.request.seed, "overwrite": True}
    if invocation.request.format != "auto":
        shared["format"] = invocation.request.format
    if invocation.request.machine.threads is not None:
        shared["threads"] = invocation.request.machine.threads

    def student(title: str, output: Path, **options: Any) -> None:
        _act(title, "distill", distill, {"teacher": teacher, **options, "output": output, **shared})

    _act(
        "1/5  Train a teacher on generated digits; 3 epochs are enough for a start.",
        "train-teacher",
        train_teacher,
        {"dataset": "strokes", "epochs": 3, "batch_size": 128, "output": teacher, **shared},
    )
    student(
        "2/5  Teach a student with random noise: the teacher has little to say about it.",
        random,
        method="random",
        epochs=5,
    )
    student(
        "3/5  Teach a student with adversarial noise, on which the teacher is sure of a class.",
        adversarial,
        method="adversarial",
        epochs=3,
        steps_per_epoch=10,
        learning_rate=1e-3,
    )
    student(
        "4/5  Teach a student with images of a generator that is trained against the teacher.",
        inversion,
        method="inversion",
        epochs=EPOCHS,
        warm_up=60,
        generator_steps=2,
        save_images=EPOCHS,
    )
    _act(
        "5/5  Compare: noise does not carry the teacher's knowledge far, drawn images do.",
        "compare",
        compare,
        {"checkpoints": (teacher, random, adversarial, inversion)},
    )
    _say(f"What the teacher takes digits to look like: '{picture_file(inversion, EPOCHS)}'.")
    _say(f"The checkpoints are in '{folder}'. Next:")
    _say(f"  kextract evaluate {teacher} {inversion} --against {teacher}")
    _say(f"  kextract distill {teacher} --method inversion --student lenet5")
    _say("  kextract train-teacher --dataset mnist")


def _act(
    title: str,
    command: str,
    run: Callable[[Invocation[Any]], None],
    options: Mapping[str, Any],
) -> None:
    """Run a command of kextract as if it had been typed, saying what it is for."""
    environment = environment_layer(command, table(REQUESTS[command]))
    from kextract.runs.invoke import invoke

    invocation = invoke(command, environment, Layer(COMMAND_LINE, options))
    _say(f"\n{title}")
    _say(f"$ {invocation.command_line()}")
    run(invocation)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
