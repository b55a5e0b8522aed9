"""`kextract quickstart`: students of noise, shapes and drawn images, on generated digits."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kextract.cli.commands import compare, distill, train_teacher
from kextract.config.option import table
from kextract.config.requests import REQUESTS, QuickstartRequest
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer, environment_layer, program

if TYPE_CHECKING:
    from kextract.runs.student import StudentRun

T = TypeVar("T")


def quickstart(invocation: Invocation[QuickstartRequest]) -> None:
    """Teach four students to read digits that they never see, in a few minutes.

    Trains a small teacher on generated digits, and students on random noise, on noise of which the
    teacher is sure, on random shapes, and on images that are synthesized from the teacher; ends in
    a picture of what one of them was taught with beside digits that it reads. Everything is smaller
    and shorter than the defaults. Files of an earlier quickstart are replaced.
    """
    folder = invocation.request.output
    teacher, random, adversarial, shapes, inversion = (
        folder / f"quickstart-{name}.weights.h5"
        for name in ("teacher", "random", "adversarial", "shapes", "inversion")
    )
    shared: dict[str, Any] = {"seed": invocation.request.seed, "overwrite": True}
    if invocation.request.format != "auto":
        shared["format"] = invocation.request.format
    if invocation.request.machine.threads is not None:
        shared["threads"] = invocation.request.machine.threads

    def student(title: str, output: Path, **options: Any) -> "StudentRun":
        given = {"teacher": teacher, **options, "output": output, **shared}
        return _act(title, "distill", distill, given)

    _act(
        "1/6  Train a teacher on 5,000 generated digits, twice over.",
        "train-teacher",
        train_teacher,
        {
            **{"dataset": "strokes", "model": "resnet11@0.35", "limit": 5000, "epochs": 2},
            **{"batch_size": 32, "schedule": "cosine", "learning_rate": 2e-3},
            **{"output": teacher, **shared},
        },
    )
    student(
        "2/6  Teach a student with random noise: the teacher has little to say about it.",
        random,
        method="random",
        epochs=3,
        steps_per_epoch=60,
    )
    student(
        "3/6  Teach a student with noise that is changed until the teacher is sure of a class. Each"
        " update takes up to 100 changes, so there are four.",
        adversarial,
        method="adversarial",
        epochs=2,
        steps_per_epoch=2,
        learning_rate=1e-3,
    )
    looked_at = student(
        "4/6  Teach a student with random shapes: they are no digits, but have outlines.",
        shapes,
        method="shapes",
        epochs=3,
        steps_per_epoch=60,
        batch_size=32,
    )
    student(
        "5/6  Teach a student with images of a generator that is trained against the teacher.",
        inversion,
        method="inversion",
        epochs=2,
        steps_per_epoch=80,
        batch_size=32,
        synthesis_batch_size=64,
        warm_up=40,
        generator_steps=2,
    )
    _act(
        "6/6  Compare them on digits that no student ever saw.",
        "compare",
        compare,
        {
            "checkpoints": (teacher, random, adversarial, shapes, inversion),
            "columns": "test_accuracy,test_agreement,minutes",
        },
    )
    from kextract.runs.synthesis import write_what_was_learned

    picture = folder / "quickstart.png"
    right, digits = write_what_was_learned(looked_at, picture)
    _say(
        f"\nShown nothing but the images on the left of '{picture}', a student reads"
        f" {right:,} of {digits:,} digits right, such as those on the right."
    )
    _say("Next:")
    _say(f"  {program()} evaluate {shapes} --against {teacher}")
    _say(f"  {program()} export {shapes} --int8 -o {folder / 'digits.tflite'}")
    _say(f"  {program()} distill {teacher} --student lenet5 --minutes 2")


def _act(
    title: str, command: str, run: Callable[[Invocation[Any]], T], options: Mapping[str, Any]
) -> T:
    """Run a command of kextract as if it had been typed, saying what it is for."""
    environment = environment_layer(command, table(REQUESTS[command]))
    from kextract.runs.invoke import invoke

    invocation = invoke(command, environment, Layer(COMMAND_LINE, options))
    _say(f"\n{title}")
    _say(f"$ {invocation.command_line(program())}")
    return run(invocation)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
