"""Which architectures there are, by name; nothing here imports TensorFlow."""

import re
from dataclasses import replace
from functools import partial

from kextract.errors import RequestError, UnknownNameError
from kextract.models.architectures import (
    ARTICLE_POOL,
    LENET5,
    LENET5_HALF,
    MOBILE,
    TINY,
    ModelSpec,
    resnet_spec,
    wide_resnet_spec,
)
from kextract.models.cost import Cost

MINIMUM_SIDE = 16
WIDTHS = (0.1, 4.0)
"""The least and the largest multiplier of an architecture's width."""
TEACHER = "teacher"
SHARES = (0.05, 0.95)
"""The least and the largest share of its teacher's multiply-adds that a student can begin with."""

MODELS: dict[str, ModelSpec] = {
    "resnet11": resnet_spec(
        11, " plus classifier, the article's network", Cost(299_178, 34_523_648)
    ),
    "resnet20": resnet_spec(20, " (any resnetN with N = 9n + 2 works)", Cost(574_090, 66_243_072)),
    "resnet29": resnet_spec(29, cost=Cost(849_002, 97_962_496)),
    "lenet5": LENET5,
    "lenet5-half": LENET5_HALF,
    "wrn-16-1": wide_resnet_spec(16, 1, Cost(175_994, 26_657_408)),
    "wrn-16-2": wide_resnet_spec(16, 2, Cost(693_498, 101_106_944)),
    "wrn-40-2": wide_resnet_spec(40, 2, Cost(2_248_954, 327_599_360)),
    "mobile": MOBILE,
    "tiny": TINY,
}


def model_spec(name: str) -> ModelSpec:
    """Look an architecture up; `NAME@W` is NAME with W times the channels in every hidden layer.

    `resnetN` is known for every N = 9n + 2 up to 1001.
    """
    base, at, width = name.partition("@")
    if not at:
        return _listed(name)
    spec = _listed(base)
    factor = _after_at(name, width, WIDTHS, "multiplies the width")
    return replace(
        spec,
        build=partial(spec.build, width=factor),
        cost=None,
        fast_in_bfloat16=spec.fast_in_bfloat16 and factor >= 1,
    )


def _listed(name: str) -> ModelSpec:
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
    return resnet_spec(depth)


def share_of_teacher(name: str) -> float | None:
    """Read `teacher@SHARE`, the teacher's own network with that share of its multiply-adds left.

    None for any other name. Raises RequestError for anything but a number from 0.05 to 0.95.
    """
    base, _, text = name.partition("@")
    if base != TEACHER:
        return None
    return _after_at(name, text, SHARES, "is the share of the teacher's multiply-adds that is left")


def _after_at(name: str, text: str, bounds: tuple[float, float], meaning: str) -> float:
    least, most = bounds
    value = float(text) if re.fullmatch(r"[0-9](\.[0-9]{1,3})?", text) else 0.0
    if not least <= value <= most:
        raise RequestError(
            f"unknown model '{name}': what follows the @ {meaning} and must be a number"
            f" from {least:g} to {most:g}, such as '{name.partition('@')[0]}@0.5'"
        )
    return value


def model_pooling(name: str, input_shape: tuple[int, int, int], requested: str | None) -> str:
    """Say which pooling a model gets: the requested one, or the article's where it fits."""
    spec = model_spec(name)
    if not spec.has_pooling:
        (own,) = spec.poolings
        if requested not in (None, own):
            raise RequestError(
                f"--pooling {requested}: '{name}' has its own pooling; leave --pooling out"
            )
        return own
    # The last feature map has a quarter of the image's side, rounded up.
    fits = min(-(-side // 4) for side in input_shape[:2]) >= ARTICLE_POOL
    if requested is None:
        return "article" if fits else "none"
    if requested == "article" and not fits:
        height, width, _ = input_shape
        raise RequestError(
            f"--pooling article: 8x8 averages need images of at least 29x29, found"
            f" {height}x{width}; use global or none"
        )
    return requested


def check_input_shape(input_shape: tuple[int, int, int]) -> None:
    """Refuse images that the architectures cannot take."""
    height, width, channels = input_shape
    if channels not in (1, 3) or min(height, width) < MINIMUM_SIDE:
        raise RequestError(
            f"images of {height}x{width}x{channels}: models take 1 or 3 channels and at least"
            f" {MINIMUM_SIDE}x{MINIMUM_SIDE} pixels"
        )
