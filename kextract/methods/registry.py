"""Which methods there are, and what each needs: known before TensorFlow is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kextract.config import DistillConfig
from kextract.config.option import table
from kextract.config.requests import DistillRequest
from kextract.errors import UnknownNameError


@dataclass(frozen=True)
class MethodSpec:
    """What a method is and needs; `kextract.methods.making` has the class that makes its images."""

    description: str
    columns: tuple[str, ...] = ()
    """Metrics of its images that an epoch's row shows, `kextract.columns`, the main ones first."""
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


def shown_columns(
    specs: Mapping[str, MethodSpec], *, measured: bool, wide: bool = False, loss: str
) -> tuple[str, ...]:
    """Name what an epoch shows: what matters to everyone or, where there is room, all there is.

    `loss` is the column of the loss on labelled images.
    """
    labelled, others = (loss, "accuracy", "agreement"), ("unseen_agreement", "transfer_agreement")
    quality = labelled if measured else others
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
