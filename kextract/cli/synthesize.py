"""`kextract synthesize`: what a teacher imagines its classes to look like."""

from pathlib import Path
from typing import Annotated

import typer

from kextract.cli import inversion_options as drawing
from kextract.cli import options
from kextract.cli.guard import guarded
from kextract.config import SynthesisConfig
from kextract.models.input_range import parse_input_range
from kextract.presets import distill_config


@guarded
def synthesize(
    teacher: Annotated[Path, typer.Argument(help="Checkpoint of the teacher.")],
    steps: Annotated[int, typer.Option(help="Steps of the generator.")] = SynthesisConfig().steps,
    per_class: Annotated[
        int, typer.Option(help="Images of every class.")
    ] = SynthesisConfig().per_class,
    zoom: Annotated[
        int, typer.Option(help="Side of an image's pixel in the picture.")
    ] = SynthesisConfig().zoom,
    class_weight: drawing.ClassWeight = None,
    batch_norm_weight: drawing.BatchNormWeight = None,
    balance_weight: drawing.BalanceWeight = None,
    variation_weight: drawing.VariationWeight = None,
    latent_size: drawing.LatentSize = None,
    generator_channels: drawing.GeneratorChannels = None,
    generator_learning_rate: drawing.GeneratorLearningRate = None,
    synthesis_batch_size: drawing.SynthesisBatchSize = None,
    model: Annotated[
        str | None, typer.Option(help="The teacher's architecture, where its file does not say.")
    ] = None,
    pooling: options.Pooling = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", "-d", help="The teacher's images, only where its file does not say."
        ),
    ] = None,
    input_range: options.InputRange = None,
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: a picture (.png), or images, classes and answers (.npz).",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    format: options.Format = "auto",
    debug: options.Debug = False,
) -> None:
    """Draw images of every class out of TEACHER, without data and without a student.

    A generator is trained against the teacher, as distill --method inversion does. The picture has
    a row for each class.
    """
    wished = SynthesisConfig(steps, per_class, zoom)
    config = distill_config(
        "inversion",
        None,
        {
            "class_weight": class_weight,
            "batch_norm_weight": batch_norm_weight,
            "adversarial_weight": 0.0,
            "balance_weight": balance_weight,
            "variation_weight": variation_weight,
            "latent_size": latent_size,
            "generator_channels": generator_channels,
            "generator_learning_rate": generator_learning_rate,
            "synthesis_batch_size": synthesis_batch_size,
            "seed": seed,
            "precision": precision,
        },
    )
    from kextract.display import make_display
    from kextract.runs.synthesis import run_synthesis

    run_synthesis(
        config,
        wished,
        make_display(format),
        teacher=teacher,
        model=model,
        pooling=pooling,
        dataset=dataset,
        threads=threads,
        data_dir=data_dir,
        output=output,
        overwrite=overwrite,
        input_range=parse_input_range(input_range) if input_range else None,
    )
