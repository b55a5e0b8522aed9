"""The options of each function of the Python API, for editors and type checkers.

They are those of the tables in `kextract.config`, which a test holds them to.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

AnyPath = str | Path
Outputs = Literal["logits", "probabilities", "log-probabilities", "sigmoids", "label-logits"]


class MachineOptions(TypedDict, total=False):
    """What a command may use of the machine."""

    threads: int | None
    data_dir: AnyPath | None


class TrainingOptions(MachineOptions, total=False):
    """What every training takes."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    shift: int
    seed: int
    precision: Literal["auto", "float32", "bfloat16"]
    pooling: Literal["article", "global", "none"] | None
    strategy: Literal["auto", "none", "mirrored", "multiworker"]


class TrainTeacherOptions(TrainingOptions, total=False):
    """What `kextract train-teacher` takes besides."""

    weight_decay: float
    patience: int
    validation_fraction: float
    augment: bool
    limit: int | None


class NetworkOptions(MachineOptions, total=False):
    """What the file of a network may leave open."""

    pooling: Literal["article", "global", "none"] | None
    input_range: str | Sequence[float] | None
    dataset: AnyPath | None
    class_names: AnyPath | None
    input_shape: str | Sequence[int] | None
    outputs: Outputs | None
    output_name: str | None


class LoadOptions(NetworkOptions, total=False):
    """What `kextract.load` takes, and all that open a teacher."""

    model: str | None


class GeneratorOptions(TypedDict, total=False):
    """How a generator is trained."""

    class_weight: float
    batch_norm_weight: float
    balance_weight: float
    tv_weight: float
    latent_size: int
    generator_channels: int
    generator_learning_rate: float
    synthesis_batch_size: int | None


class DistillOptions(TrainingOptions, LoadOptions, GeneratorOptions, total=False):
    """What `kextract distill` takes besides."""

    method: str
    steps_per_epoch: int
    minutes: float | None
    recipe: Literal["corrected", "article"]
    optimizer: Literal["adam", "muon"]
    distance: Literal["kl", "l1"]
    temperature: float
    match: Literal["logits", "maps", "features", "auto"]
    mix: str | None
    mix_share: float
    candidates: int
    leaves: int | None
    cutmix: float
    flip: bool | None
    noise_learning_rate: float
    noise_iterations: int
    noise_tolerance: float
    adversarial_weight: float
    adversarial_after: int
    adversarial_share: float
    warm_up: int
    round_updates: int
    generator_steps: int
    new_images: int
    first_images: int
    bank_size: int
    query_budget: int
    questions: Literal["curves", "shapes", "leaves", "scenes", "images"] | None
    query_batch: int
    query_attempts: int
    query_timeout: float
    first_share: float
    query_rounds: int
    query_choice: int | None
    scout_updates: int
    preset: AnyPath | None
    images: AnyPath | None
    classes: int | None
    access: Literal["full", "probabilities", "labels"] | None
    ledger: AnyPath | None


class SynthesizeOptions(LoadOptions, GeneratorOptions, total=False):
    """What `kextract synthesize` takes besides."""

    steps: int
    per_class: int
    zoom: int
    seed: int
    precision: Literal["auto", "float32", "bfloat16"]


class ExportOptions(NetworkOptions, total=False):
    """What `kextract export` takes besides."""

    int8: bool
    float16: bool
    calibrate: AnyPath | None
    softmax: bool | None
    min_agreement: float | None
    seed: int


class EvaluateOptions(LoadOptions, total=False):
    """What `kextract evaluate` takes besides."""

    split: Literal["test", "validation", "train"]
    images: AnyPath | None
    min_accuracy: float | None
    min_agreement: float | None
    classes: int | None
    access: Literal["full", "probabilities", "labels"] | None
    precision: Literal["auto", "float32", "bfloat16"]
