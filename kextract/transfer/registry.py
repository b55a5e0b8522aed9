"""Which methods there are, by name; nothing here imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.config import DistillConfig
from kextract.config.option import table
from kextract.errors import UnknownNameError

if TYPE_CHECKING:
    from kextract.datasets.streamed import StoredPixels
    from kextract.transfer.source import SourceContext, TransferSource

CRAFTED_TOGETHER = 4
"""Batches crafted at once by several threads: enough to fill them, few enough that progress shows.

One thread crafts one at a time, so that more of it stays in the processor's cache.
"""


@dataclass(frozen=True)
class MethodSpec:
    """One way to come by transfer images."""

    description: str
    make: Callable[[SourceContext], TransferSource]
    columns: tuple[str, ...] = ()
    """What an epoch's row shows of the images, `kextract.columns`, what matters first."""
    images: str | None = None
    """Which images the context holds: `given` with --images, the teacher's `own`, or `canvases` to
    cut crops out of, where --images gives some."""
    recipes: tuple[str, ...] = ("corrected",)
    uses: frozenset[str] = frozenset()
    """Groups of options (`Option.group`) that it has a use for."""
    asks: bool = False
    """Whether it learns from responses to as few questions as it may, each kept in a ledger."""
    gradients: bool = False
    """Whether it needs those of the teacher."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Options, by name, where it departs from the article's defaults."""


def _random(context: SourceContext) -> TransferSource:
    from kextract.transfer.noise import RandomNoise

    config = context.config
    return RandomNoise((config.batch_size, *context.input_shape), config.seed)


def _adversarial(context: SourceContext) -> TransferSource:
    from kextract.transfer.adversarial import AdversarialNoise
    from kextract.transfer.crafting import CraftingRules

    config = context.config
    assert context.classifier is not None, "the run was told that this method needs gradients"
    article = config.recipe == "article"
    rules = CraftingRules(
        config.noise_learning_rate,
        config.noise_iterations,
        config.noise_tolerance,
        softmax_twice=article,
    )
    return AdversarialNoise(
        context.classifier,
        rules,
        (config.batch_size, *context.input_shape),
        context.classes,
        steps_per_epoch=config.steps_per_epoch,
        seed=config.seed,
        shared_counter=article,
        together=CRAFTED_TOGETHER if runtime.threads() > 1 else 1,
    )


def _shapes(context: SourceContext) -> TransferSource:
    from kextract.transfer.shapes import RandomShapes

    return RandomShapes(context)


def _leaves(context: SourceContext) -> TransferSource:
    from kextract.transfer.leaves import Leaves

    return Leaves(context)


def _inversion(context: SourceContext) -> TransferSource:
    from kextract.transfer.inversion import Inversion

    return Inversion(context)


def _queries(context: SourceContext) -> TransferSource:
    from kextract.transfer.queries import Queries

    return Queries(context)


def _stored(context: SourceContext) -> TransferSource:
    from kextract.transfer.stored import StoredImages

    assert context.images is not None, "the run was told which images this method needs"
    return StoredImages(context.images, context.config)


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
"""What suits students that are taught with more than noise."""
PHOTOGRAPHS: Mapping[str, Any] = {
    **PICTURES,
    "epochs": 10,
    "steps_per_epoch": 500,
    "learning_rate": 0.015,
    "distance": "kl",
    "shift": 3,
    "cutmix": 0.5,
}
"""What suits students of photographs that are taught with anything else."""

METHODS: dict[str, MethodSpec] = {
    "random": MethodSpec(
        "Gaussian noise clipped to [-1, 1], the article's first", _random, recipes=BOTH
    ),
    "adversarial": MethodSpec(
        "noise pushed until the teacher is sure of a random class, its second",
        _adversarial,
        columns=("confidence", "iterations"),
        recipes=BOTH,
        uses=frozenset({"crafting"}),
        gradients=True,
    ),
    "shapes": MethodSpec(
        "blobs and strokes cut out of smooth noise",
        _shapes,
        uses=frozenset({"moving", "choosing", "mixing"}),
        defaults=PICTURES,
    ),
    "leaves": MethodSpec(
        "crops of dead leaves in the colours of photographs, as many of each answer",
        _leaves,
        columns=("class_shares", "entropy", "confidence"),
        uses=frozenset({"moving", "cutting", "mixing"}),
        defaults=PHOTOGRAPHS,
    ),
    "inversion": MethodSpec(
        "images that a generator draws out of the teacher",
        _inversion,
        columns=("class_shares", "entropy", "confidence", "diversity", "batch_norm_distance"),
        uses=frozenset({"moving", "drawing", "mixing"}),
        gradients=True,
        defaults=PICTURES,
    ),
    "queries": MethodSpec(
        "questions under a budget, each answer kept: for black-box teachers",
        _queries,
        images="canvases",
        columns=("questions", "class_shares", "entropy"),
        uses=frozenset({"moving", "asking"}),
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
        _stored,
        images="given",
        uses=frozenset({"moving", "mixing"}),
        defaults=PICTURES,
    ),
    "real": MethodSpec(
        "the teacher's own images, ordinary distillation: the upper bound",
        _stored,
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


def shown_columns(specs: Mapping[str, MethodSpec], *, measured: bool) -> tuple[str, ...]:
    """Name what an epoch shows, what matters first: a narrow terminal leaves out the last."""
    labelled, others = ("loss", "accuracy", "agreement"), ("unseen_agreement", "transfer_agreement")
    quality = labelled if measured else others
    times = ("synthesis_seconds", "student_seconds", "evaluation_seconds")
    # A metric of two methods is shown once, see `Mixed.metrics`.
    drawn = dict.fromkeys(name for spec in specs.values() for name in spec.columns)
    return ("epoch", *quality, *times, *drawn, "train_loss", "seconds")


def owners(name: str) -> list[str]:
    """List the methods that have a use for an option; none where all have one."""
    entry = table(DistillConfig).get(name)
    group = entry.option.group if entry else None
    return [method for method, spec in METHODS.items() if group in spec.uses] if group else []


def make_source(context: SourceContext, images: Mapping[str, StoredPixels]) -> TransferSource:
    """Make the source that a context's configuration asks for: a method's, or a mix of two.

    `images` are those (n, h, w, c) of each method that needs some, by the method's name.
    """
    config = context.config
    if config.mix is None:
        own = replace(context, images=images.get(config.method))
        return method_spec(config.method).make(own)
    from kextract.transfer.mixed import Mixed, shares

    first, second = (
        method_spec(share.method).make(
            replace(context, config=share, images=images.get(share.method))
        )
        for share in shares(config)
    )
    columns = method_spec(config.method).columns
    return Mixed({config.method: first, config.mix: second}, columns)
