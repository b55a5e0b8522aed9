"""Folds batch normalizations into the linear layers before them.

In inference a batch normalization scales and shifts every channel, which the kernel and bias of a
linear layer can do as well, with a quarter of the parameters. Source: Jacob et al. 2018,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference",
section 3.2.
"""

from collections import Counter

import keras
import numpy as np
import tensorflow as tf

from kextract.models.cloning import Part, code_of_its_own, copied
from kextract.models.statistics import layers_within, record_calls

LINEAR = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)
CLOSE, CLOSE_IN_BFLOAT16 = 1e-3, 3e-2
"""How much the copy's outputs may differ, as a share of the largest output."""


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
