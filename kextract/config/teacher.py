"""How a teacher is trained."""

from dataclasses import dataclass

from kextract.config import shared
from kextract.config.option import NOT_NEGATIVE, SHARE, at_least, check, option
from kextract.errors import RequestError

FIRST, EVENLY = "first", "evenly"


@dataclass(frozen=True, slots=True)
class Holdout:
    """Which training images are held out for validation; a student is measured on its teacher's."""

    seed: int = 0
    fraction: float = 0.1
    limit: int | None = None
    """Use only this many training images, held-out ones included."""
    drawing: str = FIRST
    """Drawn `EVENLY` from all classes; the `FIRST` in checkpoints that do not say."""

    def __post_init__(self) -> None:
        if not SHARE.accepts(self.fraction):
            raise RequestError(f"--validation-fraction {self.fraction}: must be {SHARE.text}")
        if self.drawing not in (FIRST, EVENLY):
            raise RequestError(f"images drawn '{self.drawing}': must be {FIRST} or {EVENLY}")


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """How a teacher is trained; the defaults are the article's."""

    epochs: int = shared.epochs(50, "The most epochs.")
    batch_size: int = shared.batch_size(32)
    learning_rate: float = shared.learning_rate(1e-3, "Step size of Adam.")
    schedule: str = shared.schedule("Learning rate over time; cosine falls to 0 at the end.")
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

    def __post_init__(self) -> None:
        check(self)
