"""Options of inversion: losses, generator and bank; their defaults depend on the preset."""

from typing import Annotated

import typer

from kextract.presets import default_of

ClassWeight = Annotated[
    float | None,
    typer.Option(
        help="Inversion: weight of the requested class: cross-entropy of the teacher's answer."
        f" {default_of('class_weight')}"
    ),
]
BatchNormWeight = Annotated[
    float | None,
    typer.Option(
        help="Inversion: weight of the distance to the teacher's batch statistics."
        f" {default_of('batch_norm_weight')}"
    ),
]
AdversarialWeight = Annotated[
    float | None,
    typer.Option(
        help="Inversion: weight of the distance between teacher and student."
        f" {default_of('adversarial_weight')}"
    ),
]
AdversarialAfter = Annotated[
    int | None,
    typer.Option(
        help="Inversion: updates of the student before that begins."
        f" {default_of('adversarial_after')}"
    ),
]
BalanceWeight = Annotated[
    float | None,
    typer.Option(
        help=f"Inversion: weight of even answers in a batch. {default_of('balance_weight')}"
    ),
]
VariationWeight = Annotated[
    float | None,
    typer.Option(
        help="Inversion: weight of smoothness: differences of neighbouring pixels."
        f" {default_of('variation_weight')}"
    ),
]
LatentSize = Annotated[
    int | None,
    typer.Option(
        help=f"Inversion: random numbers that an image is made from. {default_of('latent_size')}"
    ),
]
GeneratorChannels = Annotated[
    int | None,
    typer.Option(
        help="Inversion: width of the generator's last hidden layer."
        f" {default_of('generator_channels')}"
    ),
]
GeneratorLearningRate = Annotated[
    float | None,
    typer.Option(
        help="Inversion: Adam's step size for the generator."
        f" {default_of('generator_learning_rate')}"
    ),
]
SynthesisBatchSize = Annotated[
    int | None,
    typer.Option(
        help=f"Inversion: images a step of the generator. {default_of('synthesis_batch_size')}"
    ),
]
WarmUp = Annotated[
    int | None,
    typer.Option(
        help="Inversion: steps of the generator before the first update of the student."
        f" {default_of('warm_up')}"
    ),
]
RoundUpdates = Annotated[
    int | None,
    typer.Option(
        help="Inversion: updates of the student between two trainings of the generator."
        f" {default_of('round_updates')}"
    ),
]
GeneratorSteps = Annotated[
    int | None,
    typer.Option(
        help=f"Inversion: steps of the generator at each of them. {default_of('generator_steps')}"
    ),
]
NewImages = Annotated[
    int | None,
    typer.Option(
        help=f"Inversion: images added to the bank at each of them. {default_of('new_images')}"
    ),
]
FirstImages = Annotated[
    int | None,
    typer.Option(
        help=f"Inversion: images in the bank at the first update. {default_of('first_images')}"
    ),
]
BankSize = Annotated[
    int | None,
    typer.Option(
        help="Inversion: images in the bank; the newest replace the oldest."
        f" {default_of('bank_size')}"
    ),
]
