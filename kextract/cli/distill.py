"""`kextract distill`: a student taught by a teacher, without data."""

from pathlib import Path
from typing import Annotated

import typer

from kextract.cli import inversion_options as drawing
from kextract.cli import options
from kextract.cli.guard import guarded
from kextract.cli.unused import refuse_unused, typed
from kextract.config import DISTANCES, OPTIMIZERS, RECIPES, SCHEDULES, DistillConfig
from kextract.models import MODELS
from kextract.models.input_range import parse_input_range
from kextract.presets import PRESETS, default_of, distill_config
from kextract.transfer import METHODS


@guarded
def distill(
    context: typer.Context,
    teacher: Annotated[Path, typer.Argument(help="Checkpoint of the teacher, or a .keras file.")],
    method: Annotated[
        str, typer.Option("--method", help=f"The student's images: {', '.join(METHODS)}.")
    ] = DistillConfig().method,
    recipe: Annotated[
        str, typer.Option(help=f"How the teaching is done: {', '.join(RECIPES)}.")
    ] = DistillConfig().recipe,
    preset: Annotated[
        str | None,
        typer.Option(help=f"A recipe of inversion, ours or a published one: {', '.join(PRESETS)}."),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help="Of the method surrogate: name of a data set, .npz or folder of images; resized."
        ),
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="A second method, for a share of every batch.")
    ] = None,
    mix_share: Annotated[
        float | None, typer.Option(help=f"That share, 0 to 1. {default_of('mix_share')}")
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(MODELS)}. [default: the teacher's architecture]"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help=f"Epochs of the student. {default_of('epochs')}")
    ] = None,
    steps_per_epoch: Annotated[
        int | None, typer.Option(help=f"Updates an epoch. {default_of('steps_per_epoch')}")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help=f"Images an update. {default_of('batch_size')}")
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            help=f"What teaches the student: {', '.join(OPTIMIZERS)}. {default_of('optimizer')}"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help=f"The optimizer's step size. {default_of('learning_rate')}"),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help=f"Learning rate over time: {', '.join(SCHEDULES)}. {default_of('schedule')}"
        ),
    ] = None,
    distance: Annotated[
        str | None,
        typer.Option(
            help=f"What the student lowers: {', '.join(DISTANCES)}; corrected recipe only."
            f" {default_of('distance')}"
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Softens teacher and student in kl; corrected recipe only."
            f" {default_of('temperature')}"
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            help="Shapes drawn for each that is kept: those that the teacher is surest of."
            f" {default_of('candidates')}"
        ),
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            help=f"Largest random shift of drawn and given images, pixels. {default_of('shift')}"
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            help="Mirror drawn and given images at random. [default: as the teacher's data allow]"
        ),
    ] = None,
    noise_learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Adam's step size for adversarial noise, pixels being -1 to 1."
            f" {default_of('noise_learning_rate')}"
        ),
    ] = None,
    noise_iterations: Annotated[
        int | None,
        typer.Option(
            help=f"The most crafting steps for a batch of noise. {default_of('noise_iterations')}"
        ),
    ] = None,
    noise_tolerance: Annotated[
        float | None,
        typer.Option(
            help="Crafting stops at an improvement of this or less, nats."
            f" {default_of('noise_tolerance')}"
        ),
    ] = None,
    class_weight: drawing.ClassWeight = None,
    batch_norm_weight: drawing.BatchNormWeight = None,
    adversarial_weight: drawing.AdversarialWeight = None,
    adversarial_after: drawing.AdversarialAfter = None,
    balance_weight: drawing.BalanceWeight = None,
    variation_weight: drawing.VariationWeight = None,
    latent_size: drawing.LatentSize = None,
    generator_channels: drawing.GeneratorChannels = None,
    generator_learning_rate: drawing.GeneratorLearningRate = None,
    synthesis_batch_size: drawing.SynthesisBatchSize = None,
    warm_up: drawing.WarmUp = None,
    round_updates: drawing.RoundUpdates = None,
    generator_steps: drawing.GeneratorSteps = None,
    new_images: drawing.NewImages = None,
    first_images: drawing.FirstImages = None,
    bank_size: drawing.BankSize = None,
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
    save_images: Annotated[
        int,
        typer.Option(
            min=0,
            help="Every so many epochs, write a picture of the student's images beside the output,"
            " a row for each class that the teacher sees; 0 is never.",
        ),
    ] = 0,
    format: options.Format = "auto",
    debug: options.Debug = False,
) -> None:
    """Teach a student to answer like TEACHER, on images that are made up."""
    config = distill_config(
        method,
        preset,
        {
            "mix": mix,
            "mix_share": mix_share,
            "recipe": recipe,
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "batch_size": batch_size,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "schedule": schedule,
            "distance": distance,
            "temperature": temperature,
            "candidates": candidates,
            "shift": shift,
            "flip": flip,
            "noise_learning_rate": noise_learning_rate,
            "noise_iterations": noise_iterations,
            "noise_tolerance": noise_tolerance,
            "class_weight": class_weight,
            "batch_norm_weight": batch_norm_weight,
            "adversarial_weight": adversarial_weight,
            "adversarial_after": adversarial_after,
            "balance_weight": balance_weight,
            "variation_weight": variation_weight,
            "latent_size": latent_size,
            "generator_channels": generator_channels,
            "generator_learning_rate": generator_learning_rate,
            "synthesis_batch_size": synthesis_batch_size,
            "warm_up": warm_up,
            "round_updates": round_updates,
            "generator_steps": generator_steps,
            "new_images": new_images,
            "first_images": first_images,
            "bank_size": bank_size,
            "seed": seed,
            "precision": precision,
        },
    )
    refuse_unused(typed(context), config)
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
        images=images,
        save_images=save_images,
        input_range=parse_input_range(input_range) if input_range else None,
    )
