"""Infers the pixel range of an external network, without any of its images.

A network that scales its pixels itself shows what it expects. Otherwise its first batch
normalization has stored statistics of its training images: procedural photographs are passed
through it in each of the usual ranges, and the range whose statistics come closest is chosen.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.models.axes import arranged
from kextract.models.input_range import NAMED, Preprocessing, RangeGuess
from kextract.models.made_up_images import photographs
from kextract.models.statistics import batch_norm_layers, channels_last, first_call, layers_within

Numbers = NDArray[np.float64]

MARGIN = 1.35
"""How many times closer than the next one the best range must be to be used without a warning."""
FARTHEST = 2.5
"""A distance of statistics above this fits none of the usual ranges."""
_MOST_IMAGES = 192
_PIXELS_AT_ONCE = _MOST_IMAGES * 64 * 64

_RARE = "per-image"
"""Chosen only if no fixed range is near: most networks take those."""

_USUAL_ENDS = (
    *((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5)),
    # Standardized by mean and std: photographs, drawings, clothes.
    *((-2.1, 2.5), (-0.42, 2.8), (-0.8, 2.0)),
    # The mean of photographs subtracted from 0 to 255.
    (-124.0, 151.0),
)
"""To what networks with scaling layers scale black and white."""
_NEAR = 0.3
_LEVELS = 0.0, 127.5, 255.0
"""Values of flat images: black, grey and white, if the network takes 0 to 255."""
_ROUNDING = 0.01
"""Relative error of half precision."""


def guess_input_range(network: keras.Model, shape: tuple[int, int, int]) -> RangeGuess:
    """Guess the pixel range of a network that takes images (h, w, c).

    Takes less than a second for a small network, because only its first layers run.
    """
    candidates = {
        name: known for name, known in NAMED.items() if known.channels in (None, shape[2])
    }
    return _by_scaling(network, candidates) or _by_statistics(network, shape, candidates)


def _by_scaling(network: keras.Model, candidates: Mapping[str, Preprocessing]) -> RangeGuess | None:
    """Guess by how a network scales flat images before its first layer with weights, if it does.

    The scaling may be a layer, an operation or a nested model.
    """
    weighted = [
        layer
        for layer in layers_within(network)
        if layer.weights and not isinstance(layer, keras.layers.Normalization)
    ]
    axes = network.input_shape[1:]
    flat = np.stack([np.full(axes, level, np.float32) for level in _LEVELS])
    found = first_call(network, weighted, flat)
    if found is None:
        return None
    layer, given = found
    values = np.asarray(given, np.float64).reshape(len(_LEVELS), -1, given.shape[-1])
    # The median ignores padding.
    black, grey, white = np.median(values, axis=1).mean(axis=-1)
    scale = (white - black) / (_LEVELS[2] - _LEVELS[0])
    is_same = abs(scale - 1) < _ROUNDING and abs(black) < _ROUNDING * _LEVELS[2]
    is_linear = abs((black + white) / 2 - grey) < _ROUNDING * abs(white - black)
    if is_same or not is_linear:
        return None
    distances = {
        name: _distance_to_usual(scale * known.low + black, scale * known.high + black)
        for name, known in candidates.items()
        if not isinstance(known.low, tuple) and not isinstance(known.high, tuple)
    }
    name = min(distances, key=lambda key: distances[key])
    if distances[name] > _NEAR:
        return None
    why = f"its layer '{layer.name}' is given pixels times {scale:.3g} plus {black:.3g}"
    return RangeGuess(candidates[name], why, True)


def _distance_to_usual(low: float, high: float) -> float:
    """Return the distance of a range from the nearest usual one, as a share of its width."""
    return min(
        max(abs(low - black), abs(high - white)) / (white - black) for black, white in _USUAL_ENDS
    )


def _by_statistics(
    network: keras.Model, shape: tuple[int, int, int], candidates: Mapping[str, Preprocessing]
) -> RangeGuess:
    distances: dict[str, float] = {}
    count = max(4, min(_MOST_IMAGES, _PIXELS_AT_ONCE // (shape[0] * shape[1])))
    images = 2 * photographs(count, shape) - 1
    for name, known in candidates.items():
        pixels = arranged(known.apply(images), network.input_shape[1:])
        found = first_call(network, batch_norm_layers(network), pixels)
        if found is None:
            return RangeGuess(None, "nothing in it says which", False)
        layer, given = found
        if _is_untrained(layer):
            return RangeGuess(None, "its batch normalization was never trained", False)
        distances[name] = _distance(layer, channels_last(layer, given))
    first, second, *_ = sorted(distances, key=lambda key: distances[key])
    if first == _RARE and distances[second] <= MARGIN * distances[first]:
        first, second = second, first
    if distances[first] > FARTHEST:
        return RangeGuess(None, "its batch normalization fits none of the usual ranges", False)
    confident = distances[second] > MARGIN * distances[first]
    rival = None if confident else candidates[second]
    why = f"the statistics of its first batch normalization fit {first} best"
    return RangeGuess(candidates[first], why, confident, rival)


def _is_untrained(layer: keras.layers.BatchNormalization) -> bool:
    mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    return bool((mean == 0).all() and (variance == 1).all())


def _distance(layer: keras.layers.BatchNormalization, features: Any) -> float:
    """Compare moments of features (n, ..., c) with those that a layer has stored.

    Returns the mean over channels of the difference of the log variances plus that of the means in
    units of the std.
    """
    values = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    mean, variance = values.mean(axis=0), values.var(axis=0)
    stored_mean, stored = (
        np.asarray(kept, np.float64) for kept in (layer.moving_mean, layer.moving_variance)
    )
    least = 1e-6 * stored.max() + 1e-12
    widths = np.abs(np.log((variance + least) / (stored + least)))
    shifts = np.abs(mean - stored_mean) / np.sqrt((variance + stored) / 2 + least)
    return float(np.mean(widths + shifts))
