"""Copies of a network: with some layers replaced, or made of Keras's own layers alone.

Or with batch normalizations folded into the linear layers before them. In inference they scale and
shift every channel, which the kernel and bias of a linear layer can do as well, with a quarter of
the parameters. Source: Jacob et al. 2018, "Quantization and training of neural networks for
efficient integer-arithmetic-only inference", section 3.2.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kextract.errors import RequestError
from kextract.models.statistics import layers_within, record_calls

Part = tuple[keras.Layer, list[Any]]
"""A new layer, and its weights."""
OURS = ("keras", "kextract")
"""Packages whose layers can be made from their configurations."""
LINEAR = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)
CLOSE, CLOSE_IN_BFLOAT16 = 1e-3, 3e-2
"""How much the copy's outputs may differ, as a share of the largest output."""


def code_of_its_own(network: keras.Model) -> str | None:
    """Name a part of a network that cannot be copied; None for a graph of Keras's layers.

    Such a part is a model whose class overrides `call`, or a layer that its configuration does not
    recreate.
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
    """Tell whether a model computes by a `call` of its class instead of a graph of layers."""
    return _package(type(model).call) != "keras"


def _package(what: Any) -> str:
    package: str = what.__module__.partition(".")[0]
    return package


def check_can_be_copied(network: keras.Model) -> None:
    """Raise RequestError for a network that cannot be copied, naming the part at fault."""
    if found := code_of_its_own(network):
        raise RequestError(
            f"{found} computes in code of its own, of which no copy can be written; build the"
            " network of Keras's layers, as a Sequential or a functional model"
        )


def in_float32(network: keras.Model) -> keras.Model:
    """Copy a network into float32; a network that is in float32 already is returned itself."""
    if all(layer.compute_dtype == "float32" for layer in layers_within(network)):
        return network
    copy = keras.models.clone_model(network, clone_function=_of_float32, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def _of_float32(layer: keras.Operation) -> keras.Operation:
    config = layer.get_config()
    return type(layer).from_config({**config, "dtype": "float32"} if "dtype" in config else config)


def copied(network: keras.Model, instead: Mapping[int, Sequence[Part]]) -> keras.Model:
    """Copy a network and its weights, nested models included.

    `instead` maps `id(layer)` to the parts that replace this layer, in order.
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

    Our fused batch normalization becomes Keras's, and all layers compute in float32. Penalties and
    constraints on weights, which only training needs, are left out, and all layers are trainable.
    Raises RequestError for a network that has code of its own.
    """
    check_can_be_copied(model)
    inputs = keras.Input(model.input_shape[1:], name="pixels")
    copy = keras.models.clone_model(model, inputs, clone_function=_copied, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def _copied(layer: keras.Operation) -> keras.Operation:
    config: dict[str, Any] = layer.get_config()
    if not isinstance(layer, keras.Layer):
        # An operation on tensors has neither weights nor a precision.
        return type(layer).from_config(config)
    left_out = ("_regularizer", "_constraint")
    config = {name: None if name.endswith(left_out) else v for name, v in config.items()}
    config |= {"trainable": True, **({"dtype": "float32"} if "dtype" in config else {})}
    kind = keras.layers.BatchNormalization
    return (kind if isinstance(layer, kind) else type(layer)).from_config(config)


def folded(network: keras.Model) -> keras.Model:
    """Copy a network with batch normalizations folded into the layers before them.

    Those stay that do not follow a linear layer, or share its output with another layer. Returns
    the network itself if it cannot be copied, or if the copy would not be the same function.
    """
    if code_of_its_own(network):
        return network
    instead: dict[int, list[Part]] = {}
    for linear, normalization in _pairs(network):
        instead[id(linear)] = [_with_normalization(linear, normalization)]
        instead[id(normalization)] = [(_nothing_like(normalization), [])]
    if not instead:
        return network
    copy = copied(network, instead)
    images = np.random.default_rng(0).uniform(-1, 1, (2, *network.input_shape[1:]))
    expected, found = (np.asarray(model(images, training=False)) for model in (network, copy))
    close = CLOSE_IN_BFLOAT16 if network.compute_dtype == "bfloat16" else CLOSE
    return copy if np.abs(found - expected).max() <= close * np.abs(expected).max() else network


def _pairs(network: keras.Model) -> list[tuple[keras.Layer, keras.Layer]]:
    """Find linear layers whose output goes to a batch normalization and nowhere else."""
    calls: list[tuple[keras.Layer, list[tf.Tensor], tf.Tensor]] = []
    with record_calls(
        layers_within(network),
        lambda layer, given, made: calls.append((layer, keras.tree.flatten(given), made)),
    ):
        network(np.zeros((1, *network.input_shape[1:]), np.float32), training=False)
    times = Counter(id(layer) for layer, _, _ in calls)
    listeners = Counter(id(tensor) for _, given, _ in calls for tensor in given)
    makers = {id(made): layer for layer, _, made in calls}
    pairs = []
    for layer, (given, *_), _ in calls:
        maker = makers.get(id(given))
        if (
            isinstance(layer, keras.layers.BatchNormalization)
            and isinstance(maker, LINEAR)
            and maker.activation is keras.activations.linear
            and getattr(maker, "data_format", "channels_last") == "channels_last"
            and layer.axis % given.shape.rank == given.shape.rank - 1
            and listeners[id(given)] == times[id(layer)] == times[id(maker)] == 1
        ):
            pairs.append((maker, layer))
    return pairs


def _nothing_like(normalization: keras.layers.Layer) -> keras.Model:
    """Return an identity for a normalization; a model, since it takes the same call arguments."""
    nothing = keras.layers.Identity(dtype=normalization.dtype_policy.name)
    return keras.Sequential([nothing], name=normalization.name)


def _with_normalization(
    linear: keras.Layer, normalization: keras.layers.BatchNormalization
) -> Part:
    """Return one layer that replaces the two, and its weights."""
    mean, variance = normalization.moving_mean.numpy(), normalization.moving_variance.numpy()
    scale = 1 / np.sqrt(variance + normalization.epsilon)
    if normalization.scale:
        scale = scale * normalization.gamma.numpy()
    *kernels, kernel = linear.get_weights()[: -1 if linear.use_bias else None]
    bias = scale * ((linear.bias.numpy() if linear.use_bias else 0) - mean)
    if normalization.center:
        bias = bias + normalization.beta.numpy()
    if isinstance(linear, keras.layers.DepthwiseConv2D):
        scale = scale.reshape(kernel.shape[2:])
    layer = type(linear).from_config({**linear.get_config(), "use_bias": True})
    return layer, [*kernels, kernel * scale, bias]
