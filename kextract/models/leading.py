"""What a network does to its pixels before anything else: scaling that it was given, by its author.

Read off the description that Keras gives of a model, so that it makes no difference whether a layer
(`Rescaling`, `Normalization`), plain arithmetic (`x / 127.5 - 1`) or a model inside does it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.models.copying import code_of_its_own
from kextract.models.statistics import layers_within

Numbers = NDArray[np.float64]
_PASSED = frozenset(
    {"InputLayer", "Identity", "Reshape", "Resizing", "CenterCrop", "ZeroPadding2D", "Stack"}
)
"""What leaves the values of pixels as they are."""
_ARITHMETIC = frozenset({"Add", "Subtract", "Multiply", "Divide", "TrueDivide"})
_MODELS = ("Functional", "Sequential")

Step = tuple[Any, Any]
"""A scale and an offset."""
PASSED: Step = (1.0, 0.0)


@dataclass(frozen=True)
class Scaling:
    """Pixels times `scale` plus `offset`, one number each or one per channel."""

    scale: Numbers
    offset: Numbers
    steps: tuple[str, ...] = ()
    """Names of the layers that do it."""

    def then(self, step: Step, name: str) -> "Scaling":
        """Give the scaling that does another one afterwards."""
        scale, offset = (np.asarray(number, np.float64) for number in step)
        return Scaling(self.scale * scale, self.offset * scale + offset, (*self.steps, name))


def leading_scaling(network: keras.Model) -> Scaling:
    """Give what a network does to pixels first; without `steps` where nothing is known of it."""
    if code_of_its_own(network):
        return Scaling(np.ones(1), np.zeros(1))
    description = keras.saving.serialize_keras_object(network)
    moments = {
        layer.name: (np.asarray(layer.mean).ravel(), np.asarray(layer.variance).ravel())
        for layer in layers_within(network)
        if isinstance(layer, keras.layers.Normalization)
    }
    found = Scaling(np.ones(1), np.zeros(1))
    for layer in _leading(description):
        step = _step(layer, moments)
        if step is None:
            break
        found = found.then(step, layer["config"]["name"]) if step is not PASSED else found
    return found


def _step(layer: Mapping[str, Any], moments: Mapping[str, Any]) -> Step | None:
    """Give scale and offset of a layer; None if it computes something else."""
    name, config = layer["class_name"], layer["config"]
    if name == "GetItem" or _passes(name):
        return PASSED
    if name == "Rescaling":
        return config["scale"], config["offset"]
    if name == "Normalization" and not config.get("invert"):
        mean, variance = moments[config["name"]]
        deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
        return 1 / deviation, -mean / deviation
    if name in _ARITHMETIC:
        return _arithmetic(name, layer.get("inbound_nodes", ()))
    return None


def _passes(name: str) -> bool:
    """Tell whether layers of a class give pixels on as they are, at least when not training."""
    return name in _PASSED or name.startswith("Random")


def _arithmetic(name: str, nodes: Any) -> Step | None:
    """Give scale and offset of arithmetic with constants, with the pixels in the first place."""
    args = list(nodes[0]["args"]) if len(nodes) == 1 else []
    if len(args) != 2 or not _is_tensor(args[0]) or _is_tensor(args[1]):
        return None
    value = args[1]
    if isinstance(value, Mapping):
        value = value.get("config", {}).get("value")
    try:
        number = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError):
        return None
    if name in ("Add", "Subtract"):
        return 1.0, number if name == "Add" else -number
    return (number if name == "Multiply" else 1 / number), 0.0


def _leading(model: Any) -> Iterator[Any]:
    """Yield a model's layers from its input on, as long as there is one after the other."""
    layers = model["config"]["layers"]
    for layer in layers if model["class_name"] == "Sequential" else _chain(layers):
        if layer["class_name"] not in _MODELS:
            yield layer
            continue
        yield from _leading(layer)
        if not all(_passes(inner["class_name"]) for inner in layer["config"]["layers"]):
            # How its end hangs together with its beginning is more than a chain.
            yield {"class_name": "", "config": layer["config"]}


def _chain(layers: Any) -> Iterator[Any]:
    place = next((layer["name"] for layer in layers if layer["class_name"] == "InputLayer"), None)
    for _ in layers:
        users = [layer for layer in layers if place in set(_sources(layer.get("inbound_nodes")))]
        if users and all(layer["class_name"] == "GetItem" for layer in users):
            # Channels are taken apart, to be put together in another order.
            users = users[:1]
        if len(users) != 1:
            return
        yield users[0]
        place = users[0]["name"]


def _sources(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _sources(item)
    elif isinstance(value, dict):
        if _is_tensor(value):
            yield value["config"]["keras_history"][0]
        else:
            yield from _sources(list(value.values()))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__"
