"""The options of each function of the Python API, for editors and type checkers.

They are those of the tables in `kextract.config`, which a test holds them to.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

AnyPath = str | Path
Outputs = Literal["logits", "probabilities", "log-probabilities", "sigmoids", "label-logits"]


class TrainTeacherOptions(TypedDict, total=False):
    """What `kextract train-teacher` takes besides."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    weight_decay: float
    patience: int
    validation_fraction: float
    augment: bool
    shift: int
    seed: int
    precision: Literal["auto", "float32", "bfloat16"]
    limit: int | None
    pooling: Literal["article", "global", "none"] | None
    threads: int | None
    data_dir: AnyPath | None
    strategy: Literal["auto", "none", "mirrored", "multiworker"]


class DistillOptions(TypedDict, total=False):
    """What `kextract distill` takes besides."""

    method: str
    epochs: int
    steps_per_epoch: int
    batch_size: int
    minutes: float | None
    recipe: Literal["corrected", "article"]
    optimizer: Literal["adam", "muon"]
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    distance: Literal["kl", "l1"]
    temperature: float
    match: Literal["logits", "maps", "features", "auto"]
    mix: str | None
    mix_share: float
    candidates: int
    leaves: int | None
    cutmix: float
    shift: int
    flip: bool | None
    noise_learning_rate: float
    noise_iterations: int
    noise_tolerance: float
    class_weight: float
    batch_norm_weight: float
    balance_weight: float
    tv_weight: float
    latent_size: int
    generator_channels: int
    generator_learning_rate: float
    synthesis_batch_size: int | None
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
    questions: Literal["shapes", "leaves", "images"] | None
    query_batch: int
    query_attempts: int
    query_timeout: float
    first_share: float
    query_rounds: int
    query_choice: int | None
    scout_updates: int
    mixup: float
    seed: int
    precision: Literal["auto", "float32", "bfloat16"]
    preset: AnyPath | None
    images: AnyPath | None
    dataset: AnyPath | None
    model: str | None
    pooling: Literal["article", "global", "none"] | None
    input_range: str | Sequence[float] | None
    class_names: AnyPath | None
    outputs: Outputs | None
    output_name: str | None
    input_shape: str | Sequence[int] | None
    classes: int | None
    access: Literal["full", "probabilities", "labels"] | None
    threads: int | None
    data_dir: AnyPath | None
    strategy: Literal["auto", "none", "mirrored", "multiworker"]
    ledger: AnyPath | None


class SynthesizeOptions(TypedDict, total=False):
    """What `kextract synthesize` takes besides."""

    steps: int
    per_class: int
    zoom: int
    class_weight: float
    batch_norm_weight: float
    balance_weight: float
    tv_weight: float
    latent_size: int
    generator_channels: int
    generator_learning_rate: float
    synthesis_batch_size: int | None
    dataset: AnyPath | None
    model: str | None
    pooling: Literal["article", "global", "none"] | None
    input_range: str | Sequence[float] | None
    class_names: AnyPath | None
    outputs: Outputs | None
    output_name: str | None
    input_shape: str | Sequence[int] | None
    seed: int
    precision: Literal["auto", "float32", "bfloat16"]
    threads: int | None
    data_dir: AnyPath | None


class ExportOptions(TypedDict, total=False):
    """What `kextract export` takes besides."""

    int8: bool
    float16: bool
    calibrate: AnyPath | None
    softmax: bool | None
    input_range: str | Sequence[float] | None
    min_agreement: float | None
    dataset: AnyPath | None
    class_names: AnyPath | None
    outputs: Outputs | None
    output_name: str | None
    input_shape: str | Sequence[int] | None
    pooling: Literal["article", "global", "none"] | None
    seed: int
    threads: int | None
    data_dir: AnyPath | None


class EvaluateOptions(TypedDict, total=False):
    """What `kextract evaluate` takes besides."""

    dataset: AnyPath | None
    split: Literal["test", "validation", "train"]
    images: AnyPath | None
    min_accuracy: float | None
    min_agreement: float | None
    model: str | None
    pooling: Literal["article", "global", "none"] | None
    input_range: str | Sequence[float] | None
    class_names: AnyPath | None
    outputs: Outputs | None
    output_name: str | None
    input_shape: str | Sequence[int] | None
    classes: int | None
    access: Literal["full", "probabilities", "labels"] | None
    precision: Literal["auto", "float32", "bfloat16"]
    threads: int | None
    data_dir: AnyPath | None
