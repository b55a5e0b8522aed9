"""What a run is asked to do: frozen dataclasses that refuse what cannot be, by flag name."""

import math
from dataclasses import dataclass, field
from typing import Any

from kextract.errors import RequestError, UnknownNameError
from kextract.runtime import PRECISIONS

RECIPES = {
    "corrected": "teacher frozen and in inference mode, softmax once, fresh optimizer per batch",
    "article": "as the code of 2020: batch statistics, softmax twice, shared step counter",
}
SCHEDULES = ("constant", "cosine")
OPTIMIZERS = ("adam", "muon")
DISTANCES = {
    "kl": "divergence of the answers, softened by the temperature",
    "l1": "mean absolute difference of centred logits",
}


@dataclass(frozen=True, slots=True)
class Holdout:
    """Which training images are held out for validation; a student is measured on its teacher's."""

    seed: int = 0
    fraction: float = 0.1
    limit: int | None = None
    """Use only this many training images, held-out ones included."""

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise RequestError(
                f"--validation-fraction {self.fraction}: must lie between 0 and 1, such as 0.1"
            )


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """How a teacher is trained; the defaults are the article's."""

    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-3
    schedule: str = "constant"
    """Learning rate over time: `constant`, or `cosine` down to 0 at the last epoch."""
    weight_decay: float = 1e-4
    """L2 penalty on convolution kernels."""
    patience: int = 3
    """Epochs without a better validation accuracy before training stops; 0 trains to the end."""
    validation_fraction: float = 0.1
    """Share of the training images held out."""
    augment: bool = False
    """Random shifts, and mirror images where they keep the class."""
    shift: int = 4
    """Largest shift of `augment`, pixels."""
    seed: int = 0
    precision: str = "auto"
    """`auto` until the run has looked at the hardware."""

    def __post_init__(self) -> None:
        _at_least("--epochs", self.epochs, 1)
        _at_least("--batch-size", self.batch_size, 1)
        _positive("--learning-rate", self.learning_rate)
        _known("--schedule", self.schedule, SCHEDULES)
        _not_negative("--weight-decay", self.weight_decay)
        _at_least("--patience", self.patience, 0)
        _at_least("--shift", self.shift, 0)
        _seed(self.seed)
        _known("--precision", self.precision, PRECISIONS)
        Holdout(self.seed, self.validation_fraction)


@dataclass(frozen=True, slots=True)
class InversionConfig:
    """How images are drawn out of a teacher; a weight of 0 leaves its loss out."""

    class_weight: float = 1.0
    """Of the cross-entropy between the requested class and the teacher's answer."""
    batch_norm_weight: float = 1.0
    """Of the distance between the images' statistics and those that the teacher stored."""
    adversarial_weight: float = 0.0
    """Of the distance between teacher and student, which is made large where they agree."""
    adversarial_after: int = 200
    """Updates of the student before the adversarial loss begins."""
    balance_weight: float = 0.0
    """Of the difference between the teacher's mean answer and an even one."""
    variation_weight: float = 0.0
    """Of the difference between neighbouring pixels."""
    latent_size: int = 64
    """Random numbers that an image is made from."""
    generator_channels: int = 16
    """Width of the generator's last hidden layer."""
    generator_learning_rate: float = 2e-3
    """Adam step size of the generator."""
    synthesis_batch_size: int = 128
    """Images a step of the generator."""
    warm_up: int = 100
    """Steps of the generator before the first update of the student."""
    round_updates: int = 20
    """Updates of the student between two trainings of the generator."""
    generator_steps: int = 8
    """Steps of the generator every `round_updates`."""
    new_images: int = 256
    """Images that are added to the bank every `round_updates`."""
    first_images: int = 2048
    """Images that are in the bank at the first update."""
    bank_size: int = 16384
    """Images in the bank, of which the newest replace the oldest."""

    def __post_init__(self) -> None:
        for name in ("class", "batch_norm", "adversarial", "balance", "variation"):
            _not_negative(f"--{name.replace('_', '-')}-weight", getattr(self, f"{name}_weight"))
        _at_least("--adversarial-after", self.adversarial_after, 0)
        _positive("--generator-learning-rate", self.generator_learning_rate)
        # A batch of one has no variance.
        _at_least("--synthesis-batch-size", self.synthesis_batch_size, 2)
        for name in (
            "latent_size",
            "generator_channels",
            "warm_up",
            "round_updates",
            "generator_steps",
            "new_images",
            "first_images",
            "bank_size",
        ):
            _at_least(f"--{name.replace('_', '-')}", getattr(self, name), 1)


@dataclass(frozen=True, slots=True)
class SynthesisConfig:
    """How many images are drawn out of a teacher, and how long that is learnt."""

    steps: int = 300
    """Steps of the generator."""
    per_class: int = 10
    zoom: int = 2
    """Side of a pixel in the picture."""

    def __post_init__(self) -> None:
        for name in ("steps", "per_class", "zoom"):
            _at_least(f"--{name.replace('_', '-')}", getattr(self, name), 1)


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """How a student is taught; the defaults are the article's protocol, corrected."""

    method: str = "adversarial"
    """Where the student's images come from, a name in `kextract.transfer.METHODS`."""
    mix: str | None = None
    """A second method, from which a share of every batch comes."""
    mix_share: float = 0.5
    """That share, 0 to 1."""
    recipe: str = "corrected"
    epochs: int = 10
    steps_per_epoch: int = 30
    """Student updates an epoch, each on a batch of new images."""
    batch_size: int = 32
    optimizer: str = "adam"
    """What teaches the student; `muon` learns more from an update, see `docs/methods.md`."""
    learning_rate: float = 1e-4
    """Step size of the student's optimizer."""
    schedule: str = "constant"
    """Learning rate over time: `constant`, or `cosine` up from 0 and down to it at the end."""
    distance: str = "kl"
    """What the student lowers, a name in `DISTANCES`; the article recipe has its own."""
    temperature: float = 4.0
    """Softens teacher and student; the article recipe knows none."""
    candidates: int = 1
    """Random shapes that are drawn for each that is kept, by the teacher's confidence."""
    shift: int = 0
    """Largest random shift of a stored image, pixels; noise is not shifted."""
    flip: bool | None = None
    """Whether stored images are mirrored at random; None until the teacher was asked."""
    noise_learning_rate: float = 1e-2
    """Adam step size of noise crafting, in units of the [-1, 1] pixel range."""
    noise_iterations: int = 100
    """Most crafting iterations for a batch of noise."""
    noise_tolerance: float = 1e-5
    """Crafting stops when an iteration lowers the batch's loss by this much or less, nats."""
    inversion: InversionConfig = field(default_factory=InversionConfig)
    seed: int = 0
    precision: str = "auto"
    """`auto` until the run has looked at the hardware."""

    def __post_init__(self) -> None:
        _known("--recipe", self.recipe, RECIPES)
        _at_least("--epochs", self.epochs, 1)
        _at_least("--steps-per-epoch", self.steps_per_epoch, 1)
        _at_least("--batch-size", self.batch_size, 1)
        self._check_mix()
        _known("--optimizer", self.optimizer, OPTIMIZERS)
        _positive("--learning-rate", self.learning_rate)
        _known("--schedule", self.schedule, SCHEDULES)
        _known("--distance", self.distance, DISTANCES)
        _positive("--temperature", self.temperature)
        _at_least("--shift", self.shift, 0)
        _positive("--noise-learning-rate", self.noise_learning_rate)
        _at_least("--candidates", self.candidates, 1)
        _at_least("--noise-iterations", self.noise_iterations, 1)
        _not_negative("--noise-tolerance", self.noise_tolerance)
        _seed(self.seed)
        _known("--precision", self.precision, PRECISIONS)

    @property
    def batch_shares(self) -> tuple[int, int]:
        """Images of a batch that come from `method` and from `mix`."""
        mixed = round(self.batch_size * self.mix_share) if self.mix is not None else 0
        return self.batch_size - mixed, mixed

    def _check_mix(self) -> None:
        if not 0 < self.mix_share < 1:
            raise RequestError(
                f"--mix-share {self.mix_share}: must lie between 0 and 1, such as 0.5"
            )
        if self.mix is None:
            return
        if self.mix == self.method:
            raise RequestError(f"--mix {self.mix}: is --method already; name another method")
        if self.recipe != "corrected":
            raise RequestError(
                f"--mix {self.mix}: is for the corrected recipe, not for --recipe {self.recipe}"
            )
        if 0 in self.batch_shares:
            raise RequestError(
                f"--mix-share {self.mix_share}: leaves one of the methods without an image in"
                f" batches of {self.batch_size}; choose another share or a larger --batch-size"
            )


def _at_least(flag: str, value: int, least: int) -> None:
    if value < least:
        raise RequestError(f"{flag} {value}: must be {least} or more")


def _seed(value: int) -> None:
    if not 0 <= value < 2**32:
        raise RequestError(f"--seed {value}: must be a whole number from 0 to 4294967295")


def _positive(flag: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise RequestError(f"{flag} {value}: must be a positive number")


def _not_negative(flag: str, value: float) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise RequestError(f"{flag} {value}: must be 0 or a positive number")


def _known(flag: str, value: str, known: Any) -> None:
    if value not in known:
        raise UnknownNameError(flag.removeprefix("--"), value, known)
