"""Which methods there are, by name; nothing here imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kextract.config import DistillConfig
from kextract.errors import UnknownNameError

if TYPE_CHECKING:
    from kextract.transfer.crafting import Logits
    from kextract.transfer.source import TransferSource

CRAFTED_TOGETHER = 4
"""Batches crafted at once: enough to fill two cores, few enough that progress shows."""

Make = Callable[["Logits", tuple[int, int, int], int, DistillConfig], "TransferSource"]


@dataclass(frozen=True)
class MethodSpec:
    """One way to come by transfer images."""

    description: str
    make: Make
    """Takes the teacher's logits function, its image shape, its class count, the configuration."""


def _random(
    teacher: Logits, input_shape: tuple[int, int, int], classes: int, config: DistillConfig
) -> TransferSource:
    from kextract.transfer.noise import RandomNoise

    return RandomNoise((config.batch_size, *input_shape), config.seed)


def _adversarial(
    teacher: Logits, input_shape: tuple[int, int, int], classes: int, config: DistillConfig
) -> TransferSource:
    from kextract.transfer.adversarial import AdversarialNoise
    from kextract.transfer.crafting import CraftingRules

    article = config.recipe == "article"
    rules = CraftingRules(
        config.noise_learning_rate,
        config.noise_iterations,
        config.noise_tolerance,
        softmax_twice=article,
    )
    return AdversarialNoise(
        teacher,
        rules,
        (config.batch_size, *input_shape),
        classes,
        steps_per_epoch=config.steps_per_epoch,
        seed=config.seed,
        shared_counter=article,
        together=CRAFTED_TOGETHER,
    )


METHODS: dict[str, MethodSpec] = {
    "random": MethodSpec("Gaussian noise clipped to [-1, 1], the article's first", _random),
    "adversarial": MethodSpec(
        "noise pushed until the teacher is sure of a random class, its second", _adversarial
    ),
}


def method_spec(name: str) -> MethodSpec:
    """Look a method up."""
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]
