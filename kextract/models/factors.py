"""One kernel as a product that may be cut short, and the layers that stand for what is left of it.

A kernel that maps c channels to d becomes one that maps c to r and one that maps r to d. Which r
directions are kept follows from what the layer is given when the network looks at images, so that
its outputs change least: Zhang et al. 2016, "Accelerating very deep convolutional networks for
classification and detection", section 3.1.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.models.cloning import Part

Floats = NDArray[np.float64]
TINY = 1e-9
"""Share of the largest second moment below which a direction counts as never seen."""


@dataclass(frozen=True)
class Factors:
    """A layer's kernel (c, m) as a product that may be cut short; m counts the kernel's places."""

    layer: keras.Layer
    first: Floats
    """(c, R): where the input's channels go."""
    second: Floats
    """(R, m)."""
    lost: Floats
    """(R + 1,): the energy that the outputs lose by keeping so many directions, 0 to R."""

    @property
    def size(self) -> int:
        """Numbers in the kernel as it is."""
        return int(self.first.shape[0] * self.second.shape[1])

    @property
    def step(self) -> int:
        """Numbers in the two kernels for each direction kept."""
        return int(self.first.shape[0] + self.second.shape[1])

    def ranks(self) -> range:
        """Numbers of directions with which two kernels are smaller than the one."""
        return range(1, min(self.first.shape[1], -(-self.size // self.step) - 1) + 1)

    def product(self, rank: int) -> Floats:
        """Return the kernel (c, m) that is left."""
        return np.asarray(self.first[:, :rank] @ self.second[:rank])


def factorized(layer: keras.Layer, moment: Floats | None) -> Factors:
    """Factorize X W so that cutting it short is nearest to it, `moment` (c, c) being X'X."""
    kernel = _matrix(layer)
    if moment is None:
        first, energies, right = np.linalg.svd(kernel, full_matrices=False)
    else:
        values, vectors = np.linalg.eigh(moment)
        scales = np.sqrt(np.maximum(values, TINY * values.max() + np.finfo(np.float64).tiny))
        left, energies, right = np.linalg.svd(
            (vectors * scales) @ (vectors.T @ kernel), full_matrices=False
        )
        first = (vectors / scales) @ (vectors.T @ left)
    second = energies[:, None] * right
    lost = np.append(np.cumsum(energies[::-1] ** 2)[::-1], 0.0)
    # As large as each other, so that steps of training move both alike.
    scale = np.sqrt(np.linalg.norm(second, axis=1) / np.linalg.norm(first, axis=0))
    return Factors(layer, first * scale, second / np.maximum(scale, TINY)[:, None], lost)


def split(factors: Factors, rank: int) -> list[Part]:
    """Return the layers that stand for one, in order, and the weights of each."""
    layer, config = factors.layer, factors.layer.get_config()
    first, second = factors.first[:, :rank], factors.second[:rank]
    bias = [layer.bias.numpy()] if layer.use_bias else []
    dtype, narrow_name = layer.dtype_policy, f"{layer.name}_narrow"
    if isinstance(layer, keras.layers.Dense):
        inner = keras.layers.Dense(rank, use_bias=False, dtype=dtype, name=narrow_name)
        return [(inner, [first]), (keras.layers.Dense.from_config(config), [second, *bias])]
    plain = {"use_bias": False, "data_format": layer.data_format, "dtype": dtype}
    if isinstance(layer, keras.layers.SeparableConv2D):
        places = ("kernel_size", "strides", "padding", "dilation_rate")
        mixing = ("name", "filters", "activation", "use_bias", "data_format", "dtype")
        depthwise = keras.layers.DepthwiseConv2D(
            name=f"{layer.name}_depthwise", **{name: config[name] for name in places}, **plain
        )
        outer = keras.layers.Conv2D(kernel_size=1, **{name: config[name] for name in mixing})
        return [
            (depthwise, [layer.depthwise_kernel.numpy()]),
            (keras.layers.Conv2D(rank, 1, name=narrow_name, **plain), [first[None, None]]),
            (outer, [second[None, None], *bias]),
        ]
    # A kernel of one place may leave pixels out before its first part.
    strides = layer.strides if layer.kernel_size == (1, 1) else (1, 1)
    config["strides"] = (1, 1) if layer.kernel_size == (1, 1) else layer.strides
    inner = keras.layers.Conv2D(rank, 1, strides=strides, name=narrow_name, **plain)
    return [
        (inner, [first[None, None]]),
        (keras.layers.Conv2D.from_config(config), [as_kernel(layer, second), *bias]),
    ]


def can_be_split(layer: keras.Layer) -> bool:
    """Tell whether a layer's kernel can be factorized."""
    if isinstance(layer, keras.layers.SeparableConv2D):
        return bool(layer.depth_multiplier == 1 and layer.data_format == "channels_last")
    if type(layer) is keras.layers.Conv2D:
        return bool(layer.groups == 1 and layer.data_format == "channels_last")
    return type(layer) is keras.layers.Dense


def mixed(layer: keras.Layer, given: tf.Tensor) -> tf.Tensor:
    """Return what a layer's channels are mixed from: for a separable one, by channel convolved."""
    if not isinstance(layer, keras.layers.SeparableConv2D):
        return given
    return keras.ops.depthwise_conv(
        given,
        keras.ops.cast(layer.depthwise_kernel, given.dtype),
        layer.strides,
        layer.padding,
        layer.data_format,
        layer.dilation_rate,
    )


def kernel_of(layer: keras.Layer) -> Any:
    """Return the variable of the kernel that is factorized."""
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    return (layer.pointwise_kernel if separable else layer.kernel).value


def _matrix(layer: keras.Layer) -> Floats:
    """Return a layer's kernel as a matrix (channels in, places * channels out)."""
    kernel = np.asarray(kernel_of(layer).numpy(), np.float64)
    if kernel.ndim == 2:
        return kernel
    return np.moveaxis(kernel, 2, 0).reshape(kernel.shape[2], -1)


def as_kernel(layer: keras.Layer, matrix: Floats) -> NDArray[np.float32]:
    """Undo `_matrix`, for as many channels in as the matrix has rows."""
    shape = kernel_of(layer).shape
    if len(shape) == 2:
        return matrix.astype(np.float32)
    places = matrix.reshape(len(matrix), *shape[:2], shape[3])
    return np.moveaxis(places, 0, 2).astype(np.float32)
