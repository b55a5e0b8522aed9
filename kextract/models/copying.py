"""Copies of a network in which other layers stand in the place of some."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kextract.errors import RequestError
from kextract.models.statistics import layers_within

Part = tuple[keras.Layer, list[Any]]
"""A new layer, and what its weights are to be."""
OURS = ("keras", "kextract")
"""Packages whose layers can be made from their descriptions."""


def code_of_its_own(network: keras.Model) -> str | None:
    """Name a part of a network that no copy can be made of; None for a graph of Keras's layers.

    It is a model whose class says how it computes, or a layer that cannot be made from its
    description.
    """
    if computes_by_itself(network):
        return f"the model '{network.name}'"
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            if found := code_of_its_own(layer):
                return found
        elif isinstance(layer, keras.layers.Lambda) or _package(type(layer)) not in OURS:
            try:
                type(layer).from_config(layer.get_config())
            except Exception:  # Whatever the user's code raises.
                return f"the layer '{layer.name}'"
    return None


def computes_by_itself(model: keras.Model) -> bool:
    """Tell whether a model's class says how it computes, and not a graph of layers."""
    return _package(type(model).call) != "keras"


def _package(what: Any) -> str:
    package: str = what.__module__.partition(".")[0]
    return package


def check_can_be_copied(network: keras.Model) -> None:
    """Raise RequestError, naming its part, for a network that no copy can be written of."""
    if found := code_of_its_own(network):
        raise RequestError(
            f"{found} computes in code of its own, of which no copy can be written; build the"
            " network of Keras's layers, as a Sequential or a functional model"
        )


def in_float32(network: keras.Model) -> keras.Model:
    """Copy a network whose layers compute in another precision; return one of float32 itself."""
    if all(layer.compute_dtype == "float32" for layer in layers_within(network)):
        return network
    copy = keras.models.clone_model(network, clone_function=_of_float32, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def _of_float32(layer: keras.Operation) -> keras.Operation:
    config = layer.get_config()
    return type(layer).from_config({**config, "dtype": "float32"} if "dtype" in config else config)


def copied(network: keras.Model, instead: Mapping[int, Sequence[Part]]) -> keras.Model:
    """Copy a network with its weights, models inside it too.

    `instead` says by `id(layer)` which parts stand, in order, in the place of a layer.
    """
    weights: list[Part] = []

    def clone(layer: keras.Layer) -> keras.Layer:
        parts = instead.get(id(layer))
        if parts is None:
            copy = type(layer).from_config(layer.get_config())
            # An operation that is not a layer has no weights.
            if isinstance(layer, keras.Layer):
                weights.append((copy, layer.get_weights()))
            return copy
        weights.extend(parts)
        if len(parts) == 1:
            return parts[0][0]
        return keras.Sequential([part for part, _ in parts], name=layer.name)

    copy = keras.models.clone_model(network, clone_function=clone, recursive=True)
    for layer, values in weights:
        layer.set_weights(values)
    return copy
