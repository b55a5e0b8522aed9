"""Copies of a network: with other layers in the place of some, or of Keras's own layers alone."""

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


def plain(model: keras.Model) -> keras.Model:
    """Copy a model into Keras's own layers: the same logits (within float32's rounding) and names.

    Our fused batch normalization becomes Keras's, all arithmetic float32; penalties and constraints
    on weights, which are for training, are left out, and no layer is kept from training. Layers
    are in inference mode when the copy is exported or called with `training=False`, as those of the
    original are. Raises RequestError for a network with code of its own, which has no description.
    """
    check_can_be_copied(model)
    inputs = keras.Input(model.input_shape[1:], name="pixels")
    copy = keras.models.clone_model(model, inputs, clone_function=_copied, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def _copied(layer: keras.Operation) -> keras.Operation:
    config: dict[str, Any] = layer.get_config()
    if not isinstance(layer, keras.Layer):
        # Arithmetic on tensors has neither weights nor a precision.
        return type(layer).from_config(config)
    left_out = ("_regularizer", "_constraint")
    config = {name: None if name.endswith(left_out) else v for name, v in config.items()}
    config |= {"trainable": True, **({"dtype": "float32"} if "dtype" in config else {})}
    kind = keras.layers.BatchNormalization
    return (kind if isinstance(layer, kind) else type(layer)).from_config(config)
