"""Which methods there are, what each needs, and which of them `--method auto` picks for a teacher.

And the schedule that fits a number of minutes. All of it is known before TensorFlow is imported:
pure functions of plain values, for which nothing is loaded or measured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kextract.config import DistillConfig
from kextract.config.option import table
from kextract.config.requests import DistillRequest
from kextract.errors import RequestError, UnknownNameError


@dataclass(frozen=True)
class MethodSpec:
    """What a method is and needs; `kextract.methods.making` has the class that makes its images."""

    description: str
    columns: tuple[str, ...] = ()
    """Metrics of its images that an epoch's row shows, `kextract.records`, the main ones first."""
    images: str | None = None
    """Images that its context holds: `given` with --images, the teacher's `own`, or `canvases` to
    cut crops out of, where --images gives some."""
    recipes: tuple[str, ...] = ("corrected",)
    uses: frozenset[str] = frozenset()
    """Groups of options (`Option.group`) that have an effect on it."""
    asks: bool = False
    """Whether it learns from responses to questions under a budget, kept in a ledger."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Options, by name, whose defaults are not the article's."""


BOTH = ("corrected", "article")
PICTURES: Mapping[str, Any] = {
    "epochs": 12,
    "steps_per_epoch": 100,
    "batch_size": 64,
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "distance": "l1",
    "match": "auto",
    "shift": 2,
}
"""For students that are taught with more than noise."""
PHOTOGRAPHS: Mapping[str, Any] = {
    **PICTURES,
    "epochs": 10,
    "steps_per_epoch": 500,
    "learning_rate": 0.015,
    "distance": "kl",
    "shift": 3,
    "cutmix": 0.5,
}
"""For students of photographs."""

METHODS: dict[str, MethodSpec] = {
    "random": MethodSpec("Gaussian noise clipped to [-1, 1], the article's first", recipes=BOTH),
    "adversarial": MethodSpec(
        "noise pushed until the teacher is sure of a random class, its second",
        columns=("confidence", "iterations"),
        recipes=BOTH,
        uses=frozenset({"crafting"}),
    ),
    "shapes": MethodSpec(
        "blobs and strokes cut out of smooth noise",
        uses=frozenset({"moving", "choosing", "mixing"}),
        defaults=PICTURES,
    ),
    "leaves": MethodSpec(
        "crops of dead leaves in the colours of photographs, as many of each class",
        columns=("class_shares", "entropy", "confidence"),
        uses=frozenset({"moving", "cutting", "mixing"}),
        defaults=PHOTOGRAPHS,
    ),
    "scenes": MethodSpec(
        "the same, half of them crops of scenes with figures on a ground",
        columns=("class_shares", "entropy", "confidence"),
        uses=frozenset({"moving", "cutting", "mixing"}),
        defaults=PHOTOGRAPHS,
    ),
    "inversion": MethodSpec(
        "images of a generator that is trained against the teacher",
        columns=("class_shares", "entropy", "confidence", "diversity", "batch_norm_distance"),
        uses=frozenset({"moving", "drawing", "mixing"}),
        defaults=PICTURES,
    ),
    "queries": MethodSpec(
        "questions under a budget, each answer kept: for black-box teachers",
        images="canvases",
        columns=("questions", "class_shares", "entropy"),
        uses=frozenset({"moving", "asking", "given"}),
        asks=True,
        defaults={
            **PICTURES,
            "steps_per_epoch": 250,
            "distance": "kl",
            "match": "logits",
            "shift": 0,
        },
    ),
    "surrogate": MethodSpec(
        "images of another data set (--images)",
        images="given",
        uses=frozenset({"moving", "mixing", "given"}),
        defaults=PICTURES,
    ),
    "real": MethodSpec(
        "the teacher's own images, ordinary distillation: the upper bound",
        images="own",
        uses=frozenset({"moving", "mixing"}),
        defaults=PICTURES,
    ),
}


def method_spec(name: str, kind: str = "method") -> MethodSpec:
    """Look a method up; `kind` is what an error calls it."""
    if name not in METHODS:
        raise UnknownNameError(kind, name, METHODS)
    return METHODS[name]


def method_specs(config: DistillConfig) -> dict[str, MethodSpec]:
    """Look up the one or two methods of a configuration, that of --method first."""
    specs = {config.method: method_spec(config.method)}
    if config.mix is not None:
        specs[config.mix] = method_spec(config.mix, "method (--mix)")
    return specs


def cuts_crops(config: DistillConfig) -> bool:
    """Whether some of the images of a configuration are crops of painted canvases."""
    return any("cutting" in spec.uses for spec in method_specs(config).values())


def shown_columns(
    specs: Mapping[str, MethodSpec], *, measured: bool, wide: bool = False, loss: str
) -> tuple[str, ...]:
    """Name what an epoch shows: what matters to everyone or, where there is room, all there is.

    `loss` is the column of the loss on labelled images.
    """
    quality: tuple[str, ...] = (loss, "accuracy", "agreement")
    if not measured:
        # A black box is asked about nothing but its questions.
        asks = any(spec.asks for spec in specs.values())
        quality = (*(() if asks else ("unseen_agreement",)), "transfer_agreement")
    # A metric of two methods is shown once, see `Mixed.metrics`.
    drawn = dict.fromkeys(name for spec in specs.values() for name in spec.columns)
    if not wide:
        asked = ["questions"] if "questions" in drawn else []
        return ("epoch", *quality, *asked, "seconds")
    times = ("synthesis_seconds", "student_seconds", "evaluation_seconds")
    return ("epoch", *quality, *times, *drawn, "train_loss", "seconds")


def owners(name: str) -> list[str]:
    """List the methods that have a use for an option; none where all have one."""
    entry = table(DistillRequest).get(name)
    group = entry.option.group if entry else None
    return [method for method, spec in METHODS.items() if group in spec.uses] if group else []


EPOCH_UPDATES = 500
"""The most updates of an epoch in a fitted schedule: measuring the student takes time, too."""
LEAST_EPOCHS = 6
"""Epochs of a fitted schedule, so that progress shows and a stopped run loses little."""
LEAVES, LEAVES_BYTES = 32768, 512 << 20
"""Crops in a pool of dead leaves, and the most bytes of them, unless a number is requested."""
LEAVES_TRIED, LEAST_LEAVES, SMALL_PIXELS = 1024, 64, 64 * 64
"""Crops in the pool of a trial; the fewest of them, and pixels from which on there are fewer."""
SHAPES, SHAPES_UPDATES = 16384, 500
"""Random shapes in a pool, and updates of the student before there are new ones."""
ANSWER_PASSES, LABEL_PASSES, LEAST_ANSWER_UPDATES = 1.25, 0.8, 250
"""How often an epoch shows each answer of a black box, and the fewest updates of an epoch.

Labels are overfitted earlier: of 20,000 on MNIST ten passes gave 95.9 %, fifteen 95.1 %,
one seed.
"""
COMMITTEE_PASSES = 16
"""How often a member of a committee sees each answer in a round, at the most."""
SMALLEST_SHIFTED, SHIFT = 24, 3
"""Sides from which images bear a shift of 3 pixels."""
LARGEST_DRAWING = 40
"""Sides up to which grey images are taken for drawings, such as digits; others are photographs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A method, settings that differ from its defaults, and why."""

    method: str
    settings: Mapping[str, Any]
    """Fields of DistillConfig and InversionConfig by name."""
    reason: str
    """One line, without a full stop."""


def are_drawings(shape: tuple[int, int, int]) -> bool:
    """Tell whether images of this shape are taken for drawings, not for photographs."""
    height, width, channels = shape
    return channels == 1 and max(height, width) <= LARGEST_DRAWING


def choose_method(input_shape: tuple[int, int, int], has_batch_norm: bool) -> Choice:
    """Choose the method that taught most in docs/results.md for a teacher like this one.

    `has_batch_norm` says whether it has stored statistics that a generator can be guided by.
    """
    shift = {"shift": 1} if min(input_shape[:2]) < SMALLEST_SHIFTED else {}
    if not are_drawings(input_shape):
        why = "the images are in colour or large, and crops of dead leaves teach most of such"
        return Choice("leaves", shift, why)
    small = "the images are small and grey, as digits are"
    if has_batch_norm:
        known = "and the teacher's batch normalization says more of them"
        return Choice("inversion", {}, f"{small}, {known}")
    lacks = "and the teacher has no batch normalization to draw more of them by"
    return Choice("leaves", {"shift": 1}, f"{small}, {lacks}")


def most_leaves(shape: tuple[int, int, int]) -> int:
    """Return how many crops of dead leaves are enough: fewer of large images, for the memory."""
    return min(LEAVES, LEAVES_BYTES // math.prod(shape))


def fewest_leaves(shape: tuple[int, int, int]) -> int:
    """Return how many crops of dead leaves a run has that has time for no more."""
    pixels = math.prod(shape[:2])
    return max(LEAST_LEAVES, LEAVES_TRIED * SMALL_PIXELS // max(SMALL_PIXELS, pixels))


def most_shapes(shape: tuple[int, int, int]) -> int:
    """Return how many random shapes are in a pool: fewer of large images, for the memory."""
    return min(SHAPES, LEAVES_BYTES // math.prod(shape))


def shift_of_questions(shape: tuple[int, int, int]) -> int:
    """Return by how many pixels questions are shifted by default; drawings are not (MNIST)."""
    if are_drawings(shape):
        return 0
    return SHIFT if min(shape[:2]) >= SMALLEST_SHIFTED else 1


def updates_per_epoch(answers: int, batch_size: int, *, labels: bool = False) -> int:
    """Return how many updates an epoch has by default where answers are learned from.

    Twelve epochs show each of them 15 times, or 10 times where they are `labels`: to learn for
    longer asks nothing more.
    """
    passes = LABEL_PASSES if labels else ANSWER_PASSES
    return max(LEAST_ANSWER_UPDATES, math.ceil(passes * answers / batch_size))


def round_ends(budget: int, first_share: float, rounds: int) -> list[int]:
    """Return at which question each round ends: the first one's share, then equal parts."""
    first = max(1, round(budget * first_share))
    return [first + (budget - first) * number // rounds for number in range(rounds + 1)]


def committee_updates(answers: int, batch_size: int, most: int) -> int:
    """Return how many updates a member gets in a round: no more than what is known is good for."""
    return min(most, -(-COMMITTEE_PASSES * answers // batch_size))


def too_few(minutes: float, needed: float) -> RequestError:
    """Refuse minutes in which a run that takes so many seconds at the least cannot end."""
    least = math.ceil(needed / 6) / 10
    return RequestError(
        f"--minutes {minutes:g}: not one update of the student fits; give it {least:.1f} or more"
    )


def fit_schedule(
    seconds_per_update: float, minutes: float, *, other_seconds: float = 0.0
) -> tuple[int, int]:
    """Return the epochs and the updates of an epoch that fit into `minutes`.

    `seconds_per_update` holds an update's share of making images; `other_seconds` is what the run
    takes besides: start-up, filling a bank or pool, measuring. Epochs are alike, because the
    learning rate follows the whole schedule. Raises RequestError where not one update fits.
    """
    updates = int((60 * minutes - other_seconds) / seconds_per_update)
    if updates < 1:
        raise too_few(minutes, other_seconds + LEAST_EPOCHS * seconds_per_update)
    epochs = min(updates, max(LEAST_EPOCHS, -(-updates // EPOCH_UPDATES)))
    return epochs, updates // epochs
