"""Wraps an external classifier in kextract's own convention: pixels of -1 to 1 in, logits out."""

import math

import keras

from kextract.errors import RequestError
from kextract.models.axes import Shape, image_shape, is_channels_first
from kextract.models.heads import Head, distinct
from kextract.models.input_range import PIXELS, Preprocessing, least_variance

LEAST_PROBABILITY = 1e-7
"""Probabilities are raised to this before their logarithm is taken: float32 resolves no less."""


def adapt(
    network: keras.Model, shape: Shape, *, head: Head, input_range: Preprocessing
) -> keras.Model:
    """Wrap a network; the result maps float32 images (n, h, w, c) in [-1, 1] to float32 logits.

    The network takes pixels as `input_range` says, in axes as `kextract.models.axes` reads them.
    `head` says what its outputs (n, k) are, or were before its softmax or sigmoid was removed. A
    single output per image belongs to the second of two classes. The logits are (n, max(k, 2)).
    """
    images = keras.Input(shape, name="pixels")
    x = images
    if input_range.reverse:
        x = keras.ops.flip(x, axis=-1)
    if input_range.per_image:
        x = _standardized(x)
    elif input_range != PIXELS:
        # One number per channel is a list to Keras.
        scale, offset = (
            list(value) if isinstance(value, tuple) else value
            for value in (input_range.scale, input_range.offset)
        )
        x = keras.layers.Rescaling(scale, offset, dtype="float32")(x)
    axes = network.input_shape[1:]
    if is_channels_first(shape, axes):
        x = keras.layers.Permute((3, 1, 2), dtype="float32")(x)
    elif axes != shape:
        x = keras.layers.Reshape(axes, dtype="float32")(x)
    outputs = network(x)
    if len(outputs.shape) > 2:
        outputs = keras.layers.Flatten(dtype="float32")(outputs)
    return keras.Model(images, _logits(_in_float32(outputs), head))


def shape_of_images(network: keras.Model) -> Shape:
    """Return height, width and channels of a network's images.

    Raises RequestError for a network that takes something else.
    """
    taken = network.input_shape
    shape = image_shape(taken[1:]) if isinstance(taken, tuple) else None
    if shape is None:
        raise RequestError(
            f"the model '{network.name}' takes {taken}: expected images of a fixed size,"
            " (None, height, width, channels)"
        )
    return shape


def outputs_by_name(network: keras.Model) -> dict[str, keras.KerasTensor]:
    """Give a network's outputs by the names of the layers that make them, or as it names them.

    Empty where the network was never connected, as a subclass of `keras.Model` is not.
    """
    if isinstance(network, keras.Sequential) and network.outputs:
        return {network.layers[-1].name: network.outputs[0]}
    if not hasattr(network, "output_names"):
        return {}
    if isinstance(network.output, dict):
        return dict(network.output)
    return dict(zip(distinct(network.output_names), network.outputs, strict=True))


def _standardized(images: keras.KerasTensor) -> keras.KerasTensor:
    """Standardize each image, as `PER_IMAGE` says, with a layer that has no weights."""
    least = least_variance(math.prod(images.shape[1:]))
    layer = keras.layers.LayerNormalization(
        axis=(1, 2, 3), epsilon=least, center=False, scale=False, dtype="float32"
    )
    return layer(images)


def _in_float32(outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Cast with a layer: a saved network with a bare cast operation could not be loaded again."""
    return keras.layers.Activation("linear", dtype="float32")(outputs)


def _logits(outputs: keras.KerasTensor, head: Head) -> keras.KerasTensor:
    """Turn outputs (n, k) into logits whose softmax gives the network's probabilities.

    For independent labels it is the sigmoid that gives them.
    """
    ops = keras.ops
    binary = outputs.shape[-1] == 1
    if not head.taken_off and head.outputs in ("probabilities", "sigmoids"):
        outputs = ops.maximum(outputs, LEAST_PROBABILITY)
        if binary or head.outputs == "sigmoids":
            outputs = ops.minimum(outputs, 1 - LEAST_PROBABILITY)
            outputs = ops.log(outputs) - ops.log(1 - outputs)
        else:
            outputs = ops.log(outputs)
    return ops.concatenate([ops.zeros_like(outputs), outputs], axis=-1) if binary else outputs
