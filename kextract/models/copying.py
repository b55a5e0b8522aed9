"""Copies of a network in which other layers stand in the place of some."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

Part = tuple[keras.Layer, list[Any]]
"""A new layer, and what its weights are to be."""


def copied(network: keras.Model, instead: Mapping[int, Sequence[Part]]) -> keras.Model:
    """Copy a network with its weights, models inside it too.

    `instead` says by `id(layer)` which parts stand, in order, in the place of a layer.
    """
    weights: list[Part] = []

    def clone(layer: keras.Layer) -> keras.Layer:
        parts = instead.get(id(layer))
        if parts is None:
            copy = type(layer).from_config(layer.get_config())
            # An operation that is no layer has no weights.
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
