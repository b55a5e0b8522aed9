"""How a student is taught."""

from dataclasses import dataclass, field

from kextract.config import shared
from kextract.config.inversion import InversionConfig
from kextract.config.option import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_OF_ALL,
    at_least,
    check,
    option,
)
from kextract.config.queries import QueryConfig

RECIPES = {
    "corrected": "teacher frozen and in inference mode, softmax once, fresh optimizer per batch",
    "article": "as the code of 2020: batch statistics, softmax twice, shared step counter",
}
OPTIMIZERS = ("adam", "muon")
DISTANCES = {
    "kl": "divergence of the probabilities, softened by the temperature",
    "l1": "mean absolute difference of centred logits",
}
MATCHES = {
    "logits": "what both say of an image, by the distance",
    "maps": "what both say of every place of it, before that is averaged",
    "features": "the last features, given to the teacher's classifier, which the student gets",
    "auto": "the last of these that student and teacher allow; logits if a distance is requested",
}
FORMER_NAMES = {"variation_weight": "tv_weight"}
"""Options that checkpoints and unfinished runs of earlier versions hold by another name."""
TEACHING, IMAGES, NOISE = "Teaching", "Images of the student", "Adversarial noise"


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """How a student is taught; the defaults are the article's protocol, corrected."""

    method: str = option(
        "adversarial",
        "Where the student's images come from: a method of kextract list, or auto.",
        default_text="auto",
        basic=True,
    )
    epochs: int = shared.epochs(10, "Epochs of the student.")
    steps_per_epoch: int = option(30, "Updates of the student per epoch.", bounds=at_least(1))
    batch_size: int = shared.batch_size(32)
    minutes: float | None = option(
        None,
        "Fit epochs and updates to this many minutes.",
        bounds=POSITIVE,
        basic=True,
    )
    recipe: str = option(
        "corrected",
        "How teacher and student meet: article repeats the code of 2020 with its mistakes,"
        " corrected repairs them.",
        panel=TEACHING,
        choices=RECIPES,
    )
    optimizer: str = option(
        "adam",
        "Optimizer of the student; muon learns more from an update.",
        panel=TEACHING,
        choices=OPTIMIZERS,
    )
    learning_rate: float = shared.learning_rate(1e-4, "Step size of the student's optimizer.")
    schedule: str = shared.schedule(
        "Learning rate over time; cosine rises from 0 and falls to it at the end."
    )
    distance: str = option(
        "kl",
        "What the student lowers: kl between probabilities, or l1 between centred logits.",
        panel=TEACHING,
        recipe="corrected",
        choices=DISTANCES,
    )
    temperature: float = option(
        4.0,
        "Softens the probabilities of teacher and student in --distance kl.",
        panel=TEACHING,
        recipe="corrected",
        bounds=POSITIVE,
    )
    match: str = option(
        "logits",
        "What of the student is to match the teacher: logits; maps, the logits of every place of an"
        " image; features, the last ones, given to the teacher's classifier; auto, the last of"
        " these that both networks allow.",
        panel=TEACHING,
        recipe="corrected",
        choices=MATCHES,
    )
    mix: str | None = option(None, "A second method, for a share of every batch.", panel=IMAGES)
    mix_share: float = option(
        0.5,
        "Share of every batch that comes from the method of --mix.",
        panel=IMAGES,
        bounds=SHARE,
    )
    candidates: int = option(
        1,
        "Random shapes drawn for each one that is kept, those of the top confidence.",
        panel=IMAGES,
        group="choosing",
        bounds=at_least(1),
    )
    leaves: int = option(
        32768,
        "Crops of dead leaves that the student is taught with, chosen among three times as many.",
        panel=IMAGES,
        group="cutting",
        bounds=at_least(1),
    )
    cutmix: float = option(
        0.0,
        "Share of images that a part of another image is pasted into before the teacher sees it.",
        panel=IMAGES,
        group="mixing",
        bounds=SHARE_OF_ALL,
    )
    shift: int = option(
        0,
        "Largest random shift of a stored image, pixels.",
        panel=IMAGES,
        group="moving",
        bounds=at_least(0),
    )
    flip: bool | None = option(
        None,
        "Mirror stored images at random.",
        panel=IMAGES,
        group="moving",
        default_text="as the teacher's data allow",
    )
    noise_learning_rate: float = option(
        1e-2,
        "Step size of Adam in crafting noise, pixels being -1 to 1.",
        panel=NOISE,
        group="crafting",
        bounds=POSITIVE,
    )
    noise_iterations: int = option(
        100,
        "Most iterations of crafting for a batch of noise.",
        panel=NOISE,
        group="crafting",
        bounds=at_least(1),
    )
    noise_tolerance: float = option(
        1e-5,
        "Crafting stops when an iteration lowers the batch's loss by this much or less, nats.",
        panel=NOISE,
        group="crafting",
        bounds=NOT_NEGATIVE,
    )
    inversion: InversionConfig = field(default_factory=InversionConfig)
    queries: QueryConfig = field(default_factory=QueryConfig)
    seed: int = shared.seed()
    precision: str = shared.precision()
    """`auto` until the run has looked at the hardware."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def batch_shares(self) -> tuple[int, int]:
        """Images of a batch that come from `method` and from `mix`."""
        mixed = round(self.batch_size * self.mix_share) if self.mix is not None else 0
        return self.batch_size - mixed, mixed
