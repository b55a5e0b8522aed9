"""What the layers of a network can still make of fewer channels, by the least squares.

What a layer is given is looked at while the network looks at images, at some places of each. From
that follows which channel the others can replace best, and with which weights: Hassibi & Stork
1993, "Second order derivatives for network pruning: Optimal brain surgeon", whose quadratic form is
here that of one layer's outputs, as in Luo et al. 2017, "ThiNet", section 3.2. When all layers have
lost channels, each is fitted to what it is given now: He et al. 2017, "Channel pruning for
accelerating very deep neural networks", section 3.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.models.channels import Mask, Use, mixing_kernel, run
from kextract.models.cost import MEMORY, at_once, in_batches, parts

Floats = NDArray[np.float64]
BATCH = 32
"""Images that are looked at at a time, fewer of large ones."""
PLACES = 64
"""Places of an image at which a layer is looked at."""
LARGEST = 2304
"""Rows of a kernel up to which it is fitted to the copy's features."""
DAMPED, RIDGE = 1e-3, 3e-2
"""Added to every variance, as a share of their mean: where channels are chosen, and where kernels
are fitted."""


class Reconstruction:
    """What a layer makes of the channels of its input that are left, as near as it can."""

    def __init__(self, use: Use) -> None:
        self.use = use
        self.channels = use.different()
        self._rows: list[NDArray[np.float32]] = []
        self._random = np.random.default_rng(0)

    def look(self, given: tf.Tensor) -> None:
        """Take note of what the layer is given, (n, ..., c), at some places."""
        if isinstance(self.use.layer, keras.layers.SeparableConv2D):
            given = _by_channel(self.use.layer, given)
        rows = tf.reshape(given, (len(given), -1, self.channels))
        places = self._random.permutation(rows.shape[1])[:PLACES]
        self._rows.append(tf.gather(rows, places, axis=1).numpy().reshape(-1, self.channels))

    def begin(self) -> None:
        """Compute what every channel costs."""
        rows = np.concatenate(self._rows)
        self._rows.clear()
        self._mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - self._mean
        covariance = centred.T @ centred / len(rows)
        kernel = mixing_kernel(self.use.layer).numpy().astype(np.float64)
        # A channel has a row for every place of the kernel, or of the map that was flattened.
        tiles = kernel.reshape(-1, self.channels, kernel.shape[-1])
        self._before = np.moveaxis(tiles, 1, 0).reshape(self.channels, -1)
        self._kernel, self._outputs = self._before.copy(), kernel.shape[-1]
        energy = np.sum(self._kernel * (covariance @ self._kernel))
        self._scale = 1 / max(energy, np.finfo(np.float64).tiny)
        damping = DAMPED * np.trace(covariance) / self.channels + np.finfo(np.float32).tiny
        self._inverse = np.linalg.inv(covariance + damping * np.eye(self.channels))
        self._diagonal = np.diag(self._inverse).copy()
        # As many as there are; memory that is not written to costs nothing.
        self._columns = np.empty_like(self._inverse)
        self._count = 0
        self.left = np.ones(self.channels, np.bool_)

    def prices(self) -> Floats:
        """Return the share of the outputs' energy that is lost with each channel, (c,)."""
        diagonal = np.where(self.left, self._diagonal, 1.0)
        energies = np.einsum("ij,ij->i", self._kernel, self._kernel)
        return np.where(self.left, self._scale * energies / diagonal, 0.0)

    def remove(self, channel: int) -> None:
        """Let the others do what a channel did."""
        # The inverse is corrected where it is read: to write all of it would take long.
        before = self._columns[: self._count]
        column = self._inverse[channel] - before[:, channel] @ before
        self._kernel -= np.outer(column / column[channel], self._kernel[channel])
        self._columns[self._count] = column / np.sqrt(column[channel])
        self._diagonal -= self._columns[self._count] ** 2
        self._count += 1
        self._kernel[channel], self.left[channel] = 0.0, False

    def weights(self) -> tuple[Floats, Floats]:
        """Return the kernel (places, channels left, outputs), and what to add to the bias."""
        shape = (self.channels, -1, self._outputs)
        lost = self._mean @ (self._before - self._kernel)
        kernel = np.moveaxis(self._kernel.reshape(shape)[self.left], 0, 1)
        return kernel, lost.reshape(shape[1:]).sum(axis=0)


def look(
    network: keras.Model,
    reconstructions: Mapping[int, Reconstruction],
    images: NDArray[np.float32],
) -> None:
    """Show images to a network, and to each reconstruction what its layer is given."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if id(layer) in reconstructions:
            reconstructions[id(layer)].look(args[0])
        return layer(*args, **kwargs)

    for batch in parts(images, at_once(network, BATCH)):
        run(network, [tf.constant(batch)], call)
    for each in reconstructions.values():
        each.begin()


@dataclass(frozen=True)
class _Both:
    """Features of the network, and of the copy in the same place."""

    network: tf.Tensor
    copy: tf.Tensor


def fit(
    network: keras.Model,
    layers: Mapping[int, Any],
    fitted: Mapping[int, Use],
    kept: Mask,
    images: NDArray[np.float32],
) -> None:
    """Let layers of the copy make of its features what the network's make of the network's.

    `layers` are the copy's, by the `id` of the network's.
    """
    random = np.random.default_rng(0)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        copy, use = layers[id(layer)], fitted.get(id(layer))
        made = keras.tree.flatten(layer(*_only("network", args), **_only("network", kwargs)))
        if use is not None:
            linear = layer.activation is keras.activations.linear
            wanted = made[0] if linear else _before_activation(layer, args[0].network)
            _fit_layer(copy, args[0].copy, wanted, kept[use.made], random)
        of_copy = keras.tree.flatten(copy(*_only("copy", args), **_only("copy", kwargs)))
        return [_Both(*both) for both in zip(made, of_copy, strict=True)]

    run(network, [_Both(tf.constant(images), tf.constant(images))], call)


def _only(side: str, arguments: Any) -> Any:
    return keras.tree.map_structure(
        lambda each: getattr(each, side) if isinstance(each, _Both) else each, arguments
    )


def _fit_layer(
    copy: Any, given: tf.Tensor, wanted: tf.Tensor, made: Mask, random: np.random.Generator
) -> None:
    """Correct a kernel of the copy by the least squares, with `RIDGE` for the correction.

    Of what the network's layer makes, (n, ..., c), the copy is to make the channels `made`.
    """
    kernel = mixing_kernel(copy).numpy()
    matrix = kernel.reshape(-1, kernel.shape[-1])
    if len(matrix) > LARGEST:
        return
    wanted = tf.reshape(wanted, (len(wanted), -1, wanted.shape[-1]))
    places = random.permutation(wanted.shape[1])[:PLACES]
    outputs = tf.gather(wanted, places, axis=1).numpy()[..., made].reshape(-1, made.sum())
    size = max(1, MEMORY // (4 * wanted.shape[1] * len(matrix)))
    inputs = in_batches(
        lambda part: tf.gather(_inputs(copy, part), places, axis=1), given.numpy(), size
    ).reshape(-1, len(matrix))
    means = inputs.mean(axis=0), outputs.mean(axis=0)
    inputs, outputs = inputs - means[0], outputs - means[1]
    products = inputs.T @ inputs
    ridge = RIDGE * np.trace(products) / len(products) + np.finfo(np.float32).tiny
    products[np.diag_indices(len(products))] += ridge
    matrix = matrix + np.linalg.solve(products, inputs.T @ (outputs - inputs @ matrix))
    mixing_kernel(copy).assign(matrix.reshape(kernel.shape))
    copy.bias.assign(means[1] - means[0] @ matrix)


def _inputs(layer: Any, given: tf.Tensor) -> tf.Tensor:
    """Return what each output of a layer is mixed from, (n, places, c)."""
    if isinstance(layer, keras.layers.SeparableConv2D):
        given = _by_channel(layer, given)
    elif isinstance(layer, keras.layers.Conv2D):
        given = tf.image.extract_patches(
            given,
            (1, *layer.kernel_size, 1),
            (1, *layer.strides, 1),
            (1, *layer.dilation_rate, 1),
            layer.padding.upper(),
        )
    return tf.reshape(given, (len(given), -1, given.shape[-1]))


def _by_channel(layer: keras.layers.SeparableConv2D, given: tf.Tensor) -> tf.Tensor:
    """Do the first half of what a separable convolution does."""
    how = layer.strides, layer.padding, layer.data_format, layer.dilation_rate
    return keras.ops.depthwise_conv(given, layer.depthwise_kernel, *how)


def _before_activation(layer: Any, given: tf.Tensor) -> tf.Tensor:
    activation, layer.activation = layer.activation, keras.activations.linear
    try:
        return layer(given)
    finally:
        layer.activation = activation
