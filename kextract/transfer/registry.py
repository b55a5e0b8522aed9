"""Which methods there are, by name; nothing here imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from kextract.config import InversionConfig
from kextract.errors import UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kextract.config import DistillConfig
    from kextract.transfer.source import Setting, TransferSource

CRAFTED_TOGETHER = 4
"""Batches crafted at once: enough to fill two cores, few enough that progress shows."""


@dataclass(frozen=True)
class MethodSpec:
    """One way to come by transfer images."""

    description: str
    make: Callable[[Setting], TransferSource]
    columns: tuple[str, ...] = ()
    """What an epoch's row shows of the images, `kextract.display.columns`, what matters first."""
    images: str | None = None
    """Which images the setting must hold: `given` with --images, or the teacher's `own`."""
    recipes: tuple[str, ...] = ("corrected",)
    options: frozenset[str] = frozenset()
    """Settings that mean nothing to the methods that do not name them too."""


def _random(setting: Setting) -> TransferSource:
    from kextract.transfer.noise import RandomNoise

    config = setting.config
    return RandomNoise((config.batch_size, *setting.input_shape), config.seed)


def _adversarial(setting: Setting) -> TransferSource:
    from kextract.transfer.adversarial import AdversarialNoise
    from kextract.transfer.crafting import CraftingRules

    config = setting.config
    article = config.recipe == "article"
    rules = CraftingRules(
        config.noise_learning_rate,
        config.noise_iterations,
        config.noise_tolerance,
        softmax_twice=article,
    )
    return AdversarialNoise(
        setting.answers,
        rules,
        (config.batch_size, *setting.input_shape),
        setting.classes,
        steps_per_epoch=config.steps_per_epoch,
        seed=config.seed,
        shared_counter=article,
        together=CRAFTED_TOGETHER,
    )


def _shapes(setting: Setting) -> TransferSource:
    from kextract.transfer.shapes import RandomShapes

    return RandomShapes(setting)


def _inversion(setting: Setting) -> TransferSource:
    from kextract.transfer.inversion import Inversion

    return Inversion(setting)


def _stored(setting: Setting) -> TransferSource:
    from kextract.transfer.stored import StoredImages

    assert setting.images is not None, "the run was told which images this method needs"
    return StoredImages(setting.images, setting.config)


BOTH = ("corrected", "article")
CRAFTING = frozenset({"noise_learning_rate", "noise_iterations", "noise_tolerance"})
DRAWING = frozenset(field.name for field in fields(InversionConfig))
MOVING = frozenset({"shift", "flip"})

METHODS: dict[str, MethodSpec] = {
    "random": MethodSpec(
        "Gaussian noise clipped to [-1, 1], the article's first", _random, recipes=BOTH
    ),
    "adversarial": MethodSpec(
        "noise pushed until the teacher is sure of a random class, its second",
        _adversarial,
        columns=("confidence", "iterations"),
        recipes=BOTH,
        options=CRAFTING,
    ),
    "shapes": MethodSpec(
        "blobs and strokes cut out of smooth noise", _shapes, options=MOVING | {"candidates"}
    ),
    "inversion": MethodSpec(
        "images that a generator draws out of the teacher",
        _inversion,
        columns=("answers", "entropy", "confidence", "diversity", "batch_norm_distance"),
        options=MOVING | DRAWING,
    ),
    "surrogate": MethodSpec(
        "images of another data set (--images)", _stored, images="given", options=MOVING
    ),
    "real": MethodSpec(
        "the teacher's own images, ordinary distillation: the upper bound",
        _stored,
        images="own",
        options=MOVING,
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


def make_source(setting: Setting, images: Mapping[str, NDArray[np.uint8]]) -> TransferSource:
    """Make the source that a setting's configuration asks for: a method's, or a mix of two.

    `images` are those (n, h, w, c) of each method that needs some, by the method's name.
    """
    config = setting.config
    if config.mix is None:
        own = replace(setting, images=images.get(config.method))
        return method_spec(config.method).make(own)
    from kextract.transfer.mixed import Mixed, shares

    first, second = (
        method_spec(share.method).make(
            replace(setting, config=share, images=images.get(share.method))
        )
        for share in shares(config)
    )
    return Mixed({config.method: first, config.mix: second})
