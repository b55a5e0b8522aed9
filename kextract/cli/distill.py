"""`kextract distill`: a student taught by a teacher, without data."""

from pathlib import Path
from typing import Annotated

import typer

from kextract.cli import options
from kextract.cli.guard import guarded
from kextract.config import RECIPES, DistillConfig
from kextract.models import MODELS
from kextract.models.input_range import parse_input_range
from kextract.transfer import METHODS

DEFAULTS = DistillConfig()


@guarded
def distill(
    teacher: Annotated[Path, typer.Argument(help="Checkpoint of the teacher, or a .keras file.")],
    method: Annotated[
        str, typer.Option("--method", help=f"The student's images: {', '.join(METHODS)}.")
    ] = DEFAULTS.method,
    recipe: Annotated[
        str, typer.Option(help=f"How the teaching is done: {', '.join(RECIPES)}.")
    ] = DEFAULTS.recipe,
    student: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(MODELS)}. [default: the teacher's architecture]"),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of the student.")] = DEFAULTS.epochs,
    steps_per_epoch: Annotated[
        int, typer.Option(help="Updates an epoch, each on new images.")
    ] = DEFAULTS.steps_per_epoch,
    batch_size: Annotated[int, typer.Option(help="Images an update.")] = DEFAULTS.batch_size,
    learning_rate: Annotated[
        float, typer.Option(help="Adam's step size for the student.")
    ] = DEFAULTS.learning_rate,
    temperature: Annotated[
        float, typer.Option(help="Softens teacher and student; corrected recipe only.")
    ] = DEFAULTS.temperature,
    noise_learning_rate: Annotated[
        float, typer.Option(help="Adam's step size for adversarial noise, pixels being -1 to 1.")
    ] = DEFAULTS.noise_learning_rate,
    noise_iterations: Annotated[
        int, typer.Option(help="The most crafting steps for a batch of noise.")
    ] = DEFAULTS.noise_iterations,
    noise_tolerance: Annotated[
        float, typer.Option(help="Crafting stops at an improvement of this or less, nats.")
    ] = DEFAULTS.noise_tolerance,
    model: Annotated[
        str | None, typer.Option(help="The teacher's architecture, where its file does not say.")
    ] = None,
    pooling: options.Pooling = None,
    input_range: options.InputRange = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", "-d", help="Only to measure on. [default: the teacher's]"),
    ] = None,
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    format: options.Format = "auto",
    debug: options.Debug = False,
) -> None:
    """Teach a student to answer like TEACHER, on images that are made up."""
    config = DistillConfig(
        method=method,
        recipe=recipe,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        learning_rate=learning_rate,
        temperature=temperature,
        noise_learning_rate=noise_learning_rate,
        noise_iterations=noise_iterations,
        noise_tolerance=noise_tolerance,
        seed=seed,
        precision=precision,
    )
    from kextract.display import make_display
    from kextract.runs.student import run_student

    run_student(
        config,
        make_display(format),
        teacher=teacher,
        student=student,
        model=model,
        pooling=pooling,
        dataset=dataset,
        threads=threads,
        data_dir=data_dir,
        output=output,
        overwrite=overwrite,
        resume=resume,
        input_range=parse_input_range(input_range) if input_range else None,
    )
