"""How a black-box teacher is asked, and what it is asked."""

from dataclasses import dataclass

from kextract.config.option import POSITIVE, SHARE, Bounds, at_least, check, option

QUESTIONS = {
    "shapes": "blobs and strokes",
    "leaves": "crops of dead leaves",
    "images": "those of --images, and crops of them",
}
PANEL = "Queries"
GROUP = "asking"


def _count(default: int, help: str, *, basic: bool = False) -> int:
    declared: int = option(default, help, panel=PANEL, group=GROUP, basic=basic, bounds=at_least(1))
    return declared


@dataclass(frozen=True, slots=True)
class QueryConfig:
    """Which questions the method queries puts to a teacher, and how often it tries."""

    query_budget: int = _count(
        20_000,
        "Most images sent to a black box, repeated ones and those in the ledger included.",
        basic=True,
    )
    questions: str | None = option(
        None,
        "What questions are chosen from: blobs and strokes, crops of dead leaves, or the images of"
        " --images and crops of them.",
        panel=PANEL,
        group=GROUP,
        choices=QUESTIONS,
        default_text="images with --images; else leaves, or shapes where images are small and grey",
    )
    query_batch: int = _count(256, "Images per call of the teacher.")
    query_attempts: int = _count(5, "Calls for one batch of images before the run gives up.")
    query_timeout: float = option(
        60.0,
        "Seconds that a call of a python: teacher may take.",
        panel=PANEL,
        group=GROUP,
        bounds=POSITIVE,
    )
    first_share: float = option(
        0.1,
        "Share of the budget that is asked before anything is known of the teacher.",
        panel=PANEL,
        group=GROUP,
        bounds=SHARE,
    )
    query_rounds: int = _count(
        6,
        "Rounds of selected questions after the first; for each of them a committee of two students"
        " learns anew.",
    )
    query_choice: int = _count(
        12, "Images drawn for each one that is asked: those that the committee disagrees on."
    )
    scout_updates: int = _count(500, "Updates of each committee member per round.")
    mixup: float = option(
        0.0,
        "Share of the student's images that are mixed with another one, and their targets too.",
        panel=PANEL,
        group=GROUP,
        bounds=Bounds(lambda value: 0 <= value <= 1, "from 0 to 1"),
    )

    def __post_init__(self) -> None:
        check(self)
