"""How images are synthesized from a teacher by a generator."""

from dataclasses import dataclass

from kextract.config.option import NOT_NEGATIVE, POSITIVE, Bounds, at_least, check, option

PANEL = "Inversion"


def _weight(default: float, help: str) -> float:
    """Declare the weight of a loss; 0 leaves the loss out."""
    declared: float = option(default, help, panel=PANEL, group="drawing", bounds=NOT_NEGATIVE)
    return declared


def _count(default: int, help: str, least: int = 1) -> int:
    declared: int = option(default, help, panel=PANEL, group="drawing", bounds=at_least(least))
    return declared


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """How a generator is trained against a teacher alone."""

    class_weight: float = _weight(
        1.0,
        "Weight of the generator's class loss: cross-entropy of the teacher's logits with the"
        " requested class.",
    )
    batch_norm_weight: float = _weight(
        1.0,
        "Weight of the generator's statistics loss: distance between the images' batch statistics"
        " and those stored in the teacher.",
    )
    balance_weight: float = _weight(
        0.0,
        "Weight of the generator's information-entropy loss, which asks for every class equally"
        " often.",
    )
    tv_weight: float = _weight(
        0.0,
        "Weight of the generator's total variation, the difference between neighbouring pixels.",
    )
    latent_size: int = _count(64, "Random numbers that the generator makes an image from.")
    generator_channels: int = _count(16, "Width of the generator's last hidden layer.")
    generator_learning_rate: float = option(
        2e-3,
        "Step size of Adam for the generator.",
        panel=PANEL,
        group="drawing",
        bounds=POSITIVE,
    )
    # A batch of one has no variance.
    synthesis_batch_size: int = _count(128, "Images per step of the generator.", least=2)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class InversionConfig(GeneratorConfig):
    """How a generator and its bank of images keep a student supplied."""

    adversarial_weight: float = _weight(
        0.0,
        "Weight of the generator's adversarial loss, which makes the distance between teacher and"
        " student large where their predictions agree.",
    )
    adversarial_after: int = _count(
        200, "Updates of the student before the generator's adversarial loss begins.", least=0
    )
    adversarial_share: float = option(
        1.0,
        "Share of the generator's images that the student is shown for its adversarial loss.",
        panel=PANEL,
        group="drawing",
        bounds=Bounds(lambda share: 0 < share <= 1, "more than 0 and at most 1"),
    )
    warm_up: int = _count(100, "Steps of the generator before the student's first update.")
    round_updates: int = _count(
        20, "Updates of the student between two trainings of the generator."
    )
    generator_steps: int = _count(2, "Steps of the generator in each of its trainings.")
    new_images: int = _count(256, "Images added to the bank after each training of the generator.")
    first_images: int = _count(2048, "Images in the bank before the student's first update.")
    bank_size: int = _count(16384, "Most images in the bank; the newest replace the oldest.")


@dataclass(frozen=True, slots=True)
class SynthesisConfig:
    """How many images are synthesized from a teacher, and for how long a generator is trained."""

    steps: int = option(300, "Steps of the generator.", bounds=at_least(1), basic=True)
    per_class: int = option(10, "Images of every class.", bounds=at_least(1), basic=True)
    zoom: int = option(2, "Side of an image's pixel in the picture.", bounds=at_least(1))

    def __post_init__(self) -> None:
        check(self)
