"""`kextract train-teacher`: a classifier from labelled images."""

from typing import Annotated

import typer

from kextract.cli import options
from kextract.cli.guard import guarded
from kextract.config import SCHEDULES, TeacherConfig
from kextract.datasets import dataset_names
from kextract.models import MODELS

DEFAULTS = TeacherConfig()


@guarded
def train_teacher(
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            help=f"One of {', '.join(dataset_names())}; an .npz file; or a folder of images.",
        ),
    ] = "strokes",
    model: Annotated[
        str, typer.Option("--model", "-m", help=f"One of {', '.join(MODELS)}.")
    ] = "resnet11",
    pooling: options.Pooling = None,
    epochs: Annotated[int, typer.Option(help="The most epochs.")] = DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(help="Images an update.")] = DEFAULTS.batch_size,
    learning_rate: Annotated[
        float, typer.Option(help="Adam's step size.")
    ] = DEFAULTS.learning_rate,
    schedule: Annotated[
        str, typer.Option(help=f"Learning rate over time: {', '.join(SCHEDULES)}.")
    ] = DEFAULTS.schedule,
    weight_decay: Annotated[
        float, typer.Option(help="L2 penalty on the kernels.")
    ] = DEFAULTS.weight_decay,
    patience: Annotated[
        int,
        typer.Option(help="Stop after so many epochs without a better accuracy; 0: never."),
    ] = DEFAULTS.patience,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of the training images held out, 0 to 1.")
    ] = DEFAULTS.validation_fraction,
    augment: Annotated[
        bool, typer.Option("--augment", help="Shift images, and mirror them where classes allow.")
    ] = False,
    shift: Annotated[
        int, typer.Option(help="Largest shift of --augment, pixels.")
    ] = DEFAULTS.shift,
    limit: Annotated[
        int | None,
        typer.Option(min=10, help="Use only so many training images, for a quick try."),
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
    """Train a teacher on labelled images; the defaults are the article's."""
    config = TeacherConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        weight_decay=weight_decay,
        patience=patience,
        validation_fraction=validation_fraction,
        augment=augment,
        shift=shift,
        seed=seed,
        precision=precision,
    )
    from kextract.display import make_display
    from kextract.runs.teacher import run_teacher

    run_teacher(
        config,
        make_display(format),
        dataset=dataset,
        model=model,
        pooling=pooling,
        limit=limit,
        threads=threads,
        data_dir=data_dir,
        output=output,
        overwrite=overwrite,
        resume=resume,
    )
