"""Somebody else's classifier as kextract knows classifiers: pixels of -1 to 1 in, logits out."""

import keras
import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.axes import Shape, image_shape, is_channels_first
from kextract.models.input_range import PIXELS, Preprocessing

LEAST_PROBABILITY = 1e-7
"""Where only probabilities are to be had, smaller ones are taken for this: float32 ends there."""


def adapt(
    network: keras.Model, shape: Shape, *, head: str, input_range: Preprocessing
) -> keras.Model:
    """Wrap a network; the result maps float32 images (n, h, w, c) in [-1, 1] to float32 logits.

    The network takes pixels as `input_range` says, in axes as `kextract.models.axes` reads them.
    `head` says what its outputs (n, k) are: `logits`; what is left of them without a final
    `softmax` or `sigmoid`; or `probabilities`. One number per image is that of the second of two
    classes. The logits are (n, max(k, 2)).
    """
    images = keras.Input(shape, name="pixels")
    x = images
    if input_range.reverse:
        x = keras.ops.flip(x, axis=-1)
    if input_range != PIXELS:
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


def guess_head(outputs: NDArray[np.floating]) -> str:
    """Tell from outputs (n, k) whether they are `probabilities` or `logits`.

    Probabilities lie between 0 and 1, and those of several classes sum to 1.
    """
    rows = outputs.reshape(len(outputs), -1)
    inside = rows.min() >= -1e-6 and rows.max() <= 1 + 1e-6
    summed = rows.shape[1] == 1 or np.abs(rows.sum(axis=1) - 1).max() < 1e-3
    return "probabilities" if inside and summed else "logits"


def _in_float32(outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Cast by a layer: a file that holds the network would not be read with a bare operation."""
    return keras.layers.Activation("linear", dtype="float32")(outputs)


def _logits(outputs: keras.KerasTensor, head: str) -> keras.KerasTensor:
    """Turn outputs (n, k) into logits whose softmax are the network's probabilities."""
    ops = keras.ops
    binary = outputs.shape[-1] == 1
    if head == "probabilities":
        outputs = ops.clip(outputs, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY * binary)
        outputs = ops.log(outputs) - ops.log(1 - outputs) if binary else ops.log(outputs)
    elif head == "sigmoid" and not binary:
        # Each class was asked for on its own; their probabilities are made to sum to 1.
        outputs = ops.log_sigmoid(outputs)
    return ops.concatenate([ops.zeros_like(outputs), outputs], axis=-1) if binary else outputs
