"""Which architectures there are, by name; nothing here imports TensorFlow."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kextract.errors import RequestError, UnknownNameError
from kextract.models.pooling import ARTICLE_POOL, POOLINGS

MINIMUM_SIDE = 16


@dataclass(frozen=True)
class ModelSpec:
    """One architecture: how it is called, described and built."""

    description: str
    build: Callable[..., Any]
    """Takes (input_shape, classes, weight_decay=...), and pooling=... where `has_pooling`."""
    has_pooling: bool = False
    """Whether the pooling before the classifier can be chosen."""


def _resnet(depth: int, *args: Any, **kwargs: Any) -> Any:
    from kextract.models.resnet import resnet

    return resnet(depth, *args, **kwargs)


def _lenet5(scale: float, *args: Any, **kwargs: Any) -> Any:
    from kextract.models.lenet import lenet5

    return lenet5(scale, *args, **kwargs)


def _wide_resnet(depth: int, width: int, *args: Any, **kwargs: Any) -> Any:
    from kextract.models.wide_resnet import wide_resnet

    return wide_resnet(depth, width, *args, **kwargs)


def _resnet_spec(depth: int, note: str = "") -> ModelSpec:
    return ModelSpec(f"ResNet-v2 of depth {depth}{note}", partial(_resnet, depth), has_pooling=True)


MODELS: dict[str, ModelSpec] = {
    "resnet11": _resnet_spec(11, " plus classifier, the article's network"),
    "resnet20": _resnet_spec(20, " (any resnetN with N = 9n + 2 works)"),
    "resnet29": _resnet_spec(29),
    "lenet5": ModelSpec("LeNet-5 with ReLU, 62k parameters on MNIST", partial(_lenet5, 1.0)),
    "lenet5-half": ModelSpec("LeNet-5 at half width, 16k parameters", partial(_lenet5, 0.5)),
    "wrn-16-1": ModelSpec("wide ResNet of depth 16, width 1", partial(_wide_resnet, 16, 1)),
    "wrn-16-2": ModelSpec("wide ResNet of depth 16, width 2", partial(_wide_resnet, 16, 2)),
    "wrn-40-2": ModelSpec("wide ResNet of depth 40, width 2", partial(_wide_resnet, 40, 2)),
}


def model_spec(name: str) -> ModelSpec:
    """Look an architecture up; `resnetN` is known for every N = 9n + 2 up to 1001."""
    if name in MODELS:
        return MODELS[name]
    resnet = re.fullmatch(r"resnet([1-9][0-9]{0,3})", name)
    if resnet is None:
        raise UnknownNameError("model", name, MODELS)
    depth = int(resnet[1])
    if depth < 11 or depth > 1001 or (depth - 2) % 9:
        below = max(11, depth - (depth - 2) % 9)
        raise RequestError(
            f"unknown model '{name}': a ResNet-v2 has depth 9n + 2 from 11 to 1001,"
            f" such as 'resnet{min(below, 1001)}'"
        )
    return _resnet_spec(depth)


def model_pooling(name: str, input_shape: tuple[int, int, int], wished: str | None) -> str:
    """Say which pooling a model gets: the wished one, or the article's where it fits."""
    spec = model_spec(name)
    if not spec.has_pooling:
        if wished not in (None, "global" if name.startswith("wrn") else "none"):
            raise RequestError(
                f"--pooling {wished}: '{name}' has its own pooling; leave --pooling out"
            )
        return "global" if name.startswith("wrn") else "none"
    # The last feature map has a quarter of the image's side, rounded up.
    fits = min(-(-side // 4) for side in input_shape[:2]) >= ARTICLE_POOL
    if wished is None:
        return "article" if fits else "none"
    if wished not in POOLINGS:
        raise UnknownNameError("pooling (--pooling)", wished, POOLINGS)
    if wished == "article" and not fits:
        height, width, _ = input_shape
        raise RequestError(
            f"--pooling article: 8x8 averages need images of at least 29x29, found"
            f" {height}x{width}; use global or none"
        )
    return wished


def check_input_shape(input_shape: tuple[int, int, int]) -> None:
    """Refuse images that the architectures cannot take."""
    height, width, channels = input_shape
    if channels not in (1, 3) or min(height, width) < MINIMUM_SIDE:
        raise RequestError(
            f"images of {height}x{width}x{channels}: models take 1 or 3 channels and at least"
            f" {MINIMUM_SIDE}x{MINIMUM_SIDE} pixels"
        )
