"""How teachers and students are trained: the options that their weights depend on."""

from dataclasses import dataclass, field
from functools import partial

from kextract.config import shared
from kextract.config.option import (
    ANY,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_OF_ALL,
    SOME_SHARE,
    Options,
    at_least,
    option,
)

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
QUESTIONS = {
    "curves": "strokes of a pen",
    "shapes": "blobs and strokes",
    "leaves": "crops of dead leaves",
    "scenes": "crops of scenes and of dead leaves",
    "images": "those of --images, and crops of them",
}
TEACHING, IMAGES, NOISE = "Teaching", "Images of the student", "Adversarial noise"
INVERSION, QUERIES = "Inversion", "Queries"
CORRECTED = {"recipe": "corrected"}


@dataclass(frozen=True, slots=True)
class TeacherConfig(Options):
    """How a teacher is trained; the defaults are the article's."""

    epochs: int = option(50, "The most epochs.", basic=True)
    batch_size: int = option(32, "Images per update.")
    learning_rate: float = option(1e-3, "Step size of Adam.", bounds=POSITIVE)
    schedule: str = option(
        "constant",
        "Learning rate over time; cosine falls to 0 at the end.",
        choices=shared.SCHEDULES,
    )
    weight_decay: float = option(1e-4, "L2 penalty on the kernels.", bounds=NOT_NEGATIVE)
    patience: int = option(
        3,
        "Epochs without a better validation accuracy before training stops; 0 trains to the end.",
        bounds=at_least(0),
    )
    validation_fraction: float = option(
        0.1, "Share of the training images held out for validation.", bounds=SHARE
    )
    augment: bool = option(
        False, "Shift images at random, and mirror them where that keeps their class.", basic=True
    )
    shift: int = option(
        4, "Largest random shift of an augmented image, pixels.", bounds=at_least(0)
    )
    seed: int = shared.seed()
    precision: str = shared.precision()
    """`auto` until the run has looked at the hardware."""


_teaching = partial(option, panel=TEACHING)
_images = partial(option, panel=IMAGES)
_noise = partial(option, panel=NOISE, group="crafting")
_drawing = partial(option, panel=INVERSION, group="drawing")
_loss_weight = partial(_drawing, bounds=NOT_NEGATIVE)
_asking = partial(option, panel=QUERIES, group="asking")


@dataclass(frozen=True, slots=True)
class GeneratorConfig(Options):
    """How a generator is trained against a teacher alone."""

    class_weight: float = _loss_weight(
        1.0,
        "Weight of the generator's class loss: cross-entropy of the teacher's logits with the"
        " requested class.",
    )
    batch_norm_weight: float = _loss_weight(
        1.0,
        "Weight of the generator's statistics loss: distance between the images' batch statistics"
        " and those stored in the teacher.",
    )
    balance_weight: float = _loss_weight(
        0.0,
        "Weight of the generator's information-entropy loss, which asks for every class equally"
        " often.",
    )
    tv_weight: float = _loss_weight(
        0.0,
        "Weight of the generator's total variation, the difference between neighbouring pixels.",
    )
    latent_size: int = _drawing(64, "Random numbers that the generator makes an image from.")
    generator_channels: int = _drawing(16, "Width of the generator's last hidden layer.")
    generator_learning_rate: float = _drawing(
        2e-3, "Step size of Adam for the generator.", bounds=POSITIVE
    )
    # A batch of one has no variance.
    synthesis_batch_size: int | None = _drawing(
        None,
        "Images per step of the generator.",
        bounds=at_least(2),
        default_text="128, fewer where images are large",
    )


@dataclass(frozen=True, slots=True)
class InversionConfig(GeneratorConfig):
    """How a generator and its bank of images keep a student supplied."""

    adversarial_weight: float = _loss_weight(
        0.0,
        "Weight of the generator's adversarial loss, which makes the distance between teacher and"
        " student large where their predictions agree.",
    )
    adversarial_after: int = _drawing(
        200,
        "Updates of the student before the generator's adversarial loss begins.",
        bounds=at_least(0),
    )
    adversarial_share: float = _drawing(
        1.0,
        "Share of the generator's images that the student is shown for its adversarial loss.",
        bounds=SOME_SHARE,
    )
    warm_up: int = _drawing(100, "Steps of the generator before the student's first update.")
    round_updates: int = _drawing(
        20, "Updates of the student between two trainings of the generator."
    )
    generator_steps: int = _drawing(2, "Steps of the generator in each of its trainings.")
    new_images: int = _drawing(
        256, "Images added to the bank after each training of the generator."
    )
    first_images: int = _drawing(2048, "Images in the bank before the student's first update.")
    bank_size: int = _drawing(16384, "Most images in the bank; the newest replace the oldest.")


@dataclass(frozen=True, slots=True)
class SynthesisConfig(Options):
    """How many images are synthesized from a teacher, and for how long a generator is trained."""

    steps: int = option(300, "Steps of the generator.", basic=True)
    per_class: int = option(10, "Images of every class.", basic=True)
    zoom: int = option(2, "Side of an image's pixel in the picture.")


@dataclass(frozen=True, slots=True)
class QueryConfig(Options):
    """Which questions the method queries puts to a teacher, and how often it tries."""

    query_budget: int = _asking(
        20_000,
        "Most images sent to a black box, repeated ones and those in the ledger included; 0 asks"
        " nothing and learns all that is in --ledger.",
        basic=True,
        bounds=at_least(0),
    )
    questions: str | None = _asking(
        None,
        "What questions are chosen from: strokes of a pen, blobs, crops of dead leaves or scenes,"
        " or the images of --images and crops of them.",
        choices=QUESTIONS,
        default_text="images with --images; else leaves, or curves where images are small and grey",
    )
    query_batch: int = _asking(256, "Images per call of the teacher.")
    query_attempts: int = _asking(5, "Calls for one batch of images before the run gives up.")
    query_timeout: float = _asking(
        60.0, "Seconds that a call of a python: teacher may take.", bounds=POSITIVE
    )
    first_share: float = _asking(
        0.1,
        "Share of the budget that is asked before anything is known of the teacher.",
        bounds=SHARE,
    )
    query_rounds: int = _asking(
        6,
        "Rounds of selected questions after the first; for each of them a committee of two small"
        " networks learns anew.",
    )
    query_choice: int | None = _asking(
        None,
        "Images drawn for each one that is asked: those that the committee disagrees on.",
        bounds=at_least(1),
        default_text="4, of shapes 12",
    )
    scout_updates: int = _asking(500, "Updates of each committee member per round, at the most.")


@dataclass(frozen=True, slots=True)
class DistillConfig(Options):
    """How a student is taught; the defaults are the article's protocol, corrected."""

    method: str = option(
        "adversarial",
        "Where the student's images come from: a method of kextract list, or auto.",
        default_text="auto",
        basic=True,
    )
    epochs: int = option(10, "Epochs of the student.", basic=True)
    steps_per_epoch: int = option(30, "Updates of the student per epoch.")
    batch_size: int = option(32, "Images per update.")
    minutes: float | None = option(
        None,
        "Fit epochs and updates to this many minutes.",
        excludes=dict.fromkeys(("epochs", "steps_per_epoch"), "--minutes fits the updates"),
        bounds=POSITIVE,
        basic=True,
    )
    recipe: str = _teaching(
        "corrected",
        "How teaching is done: article repeats the code of 2020 with its mistakes, corrected"
        " repairs them.",
        choices=RECIPES,
    )
    optimizer: str = _teaching(
        "adam", "Optimizer of the student; muon learns more from an update.", choices=OPTIMIZERS
    )
    learning_rate: float = option(1e-4, "Step size of the student's optimizer.", bounds=POSITIVE)
    schedule: str = option(
        "constant",
        "Learning rate over time; cosine rises from 0 and falls to it at the end.",
        choices=shared.SCHEDULES,
    )
    distance: str = _teaching(
        "kl",
        "Loss of the student: kl between probabilities, or l1 between centred logits.",
        choices=DISTANCES,
        requires=CORRECTED,
    )
    temperature: float = _teaching(
        4.0,
        "Softens the probabilities of teacher and student in --distance kl.",
        requires=CORRECTED | {"distance": "kl"},
        bounds=POSITIVE,
    )
    match: str = _teaching(
        "logits",
        "What of the student is to match the teacher: logits; maps, the logits of every place of an"
        " image; features, the last ones, given to the teacher's classifier; auto, the last of"
        " these that both networks allow.",
        choices=MATCHES,
        requires=CORRECTED,
    )
    mix: str | None = _images(
        None, "A second method, for a share of every batch.", requires=CORRECTED
    )
    mix_share: float = _images(
        0.5,
        "Share of every batch that comes from the method of --mix.",
        requires={"mix": ANY},
        bounds=SHARE,
    )
    candidates: int = _images(
        1,
        "Random shapes drawn for each one that is kept, those of the top confidence.",
        group="choosing",
    )
    leaves: int | None = _images(
        None,
        "Crops of canvases that the student is taught with, chosen among three times as many.",
        group="cutting",
        bounds=at_least(1),
        default_text="32768, fewer where images are large or --minutes are few",
    )
    cutmix: float = _images(
        0.0,
        "Share of images that a part of another image is pasted into before the teacher sees it.",
        group="mixing",
        bounds=SHARE_OF_ALL,
    )
    shift: int = _images(
        0, "Largest random shift of a stored image, pixels.", group="moving", bounds=at_least(0)
    )
    flip: bool | None = _images(
        None,
        "Mirror stored images at random.",
        group="moving",
        default_text="as the teacher's data allow",
    )
    noise_learning_rate: float = _noise(
        1e-2, "Step size of Adam in crafting noise, pixels being -1 to 1.", bounds=POSITIVE
    )
    noise_iterations: int = _noise(100, "Most iterations of crafting for a batch of noise.")
    noise_tolerance: float = _noise(
        1e-5,
        "Crafting stops when an iteration lowers the batch's loss by this much or less, nats.",
        bounds=NOT_NEGATIVE,
    )
    inversion: InversionConfig = field(default_factory=InversionConfig)
    queries: QueryConfig = field(default_factory=QueryConfig)
    seed: int = shared.seed()
    precision: str = shared.precision()
    """`auto` until the run has looked at the hardware."""

    @property
    def batch_shares(self) -> tuple[int, int]:
        """Images of a batch that come from `method` and from `mix`."""
        mixed = round(self.batch_size * self.mix_share) if self.mix is not None else 0
        return self.batch_size - mixed, mixed
