"""A smaller copy of a network, whose kernels are products of two smaller ones.

A kernel that maps c channels to d becomes one that maps c to r and one that maps r to d. Which r
directions are kept follows from what the layer is given when the network looks at images, so that
its outputs change least: Zhang et al. 2016, "Accelerating very deep convolutional networks for
classification and detection", section 3.1. How many are kept of each layer is chosen for all of
them together (section 3.3 has it by the product of energies; here by measured divergence).
"""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.copying import Part, copied
from kextract.models.folding import folded
from kextract.models.made_up_images import photographs
from kextract.models.statistics import batch_norm_layers, heard, layers_within

Floats = NDArray[np.float64]
IMAGES, BATCH = 256, 32
PATIENCE = 0.2
"""What it may cost, as a share of the price, that the beginning of a network is left as it is."""
WIDEST = 2048
"""Channels of an input above which all directions count alike: few images tell of so many."""
TINY = 1e-9
"""Share of the largest second moment below which a direction counts as never seen."""
NOTHING = 1e-6
"""Share of the energy whose loss would tell nothing of what a loss costs; and the least cost."""


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


def smaller(network: keras.Model, share: float) -> keras.Model:
    """Copy a network as `low_rank_copy` does, by what it makes of images like photographs."""
    return low_rank_copy(network, share, 2 * photographs(IMAGES, network.input_shape[1:]) - 1)


def low_rank_copy(network: keras.Model, share: float, images: NDArray[np.float32]) -> keras.Model:
    """Copy a network of logits so that at most `share` of its parameters are left, 0 to 1.

    `images` (n, h, w, c), in [-1, 1], are what the copy should answer like the network. Its batch
    normalizations are folded where that is possible, and stay as they are when it is trained: their
    statistics are of the data that the network was trained with. Raises RequestError where so
    little cannot be left.
    """
    batches = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
    whole = folded(network)
    factors = _factors(whole, batches)
    others = whole.count_params() - sum(each.size for each in factors)
    budget = int(share * network.count_params()) - others
    ranks = _ranks(factors, _prices(whole, factors, batches), budget)
    if ranks is None:
        least = others + sum(min(each.size, each.step) for each in factors)
        total = network.count_params()
        possible = np.ceil(1000 * least / total) / 1000
        raise RequestError(
            f"--student teacher@{share:g}: of {total:,} parameters no fewer than {least:,} can be"
            f" left by kernels of lower rank; ask for teacher@{possible:g} or more, or name another"
            " architecture"
        )
    instead = {
        id(each.layer): _split(each, rank)
        for each, rank in zip(factors, ranks, strict=True)
        if rank is not None
    }
    copy = copied(whole, instead)
    cut = {id(part) for parts in instead.values() for part, _ in parts}
    for layer in (*_before(copy, cut), *batch_norm_layers(copy)):
        layer.trainable = False
    return copy


def _before(network: keras.Model, layers: Collection[int]) -> Iterator[keras.Layer]:
    """Yield what is called before any of these layers, named by `id`; nothing if there is none."""
    calls: list[keras.Layer] = []
    with heard(layers_within(network), lambda layer, *_: calls.append(layer)):
        network(np.zeros((1, *network.input_shape[1:]), np.float32), training=False)
    return itertools.takewhile(lambda layer: id(layer) not in layers, calls if layers else ())


def _factors(network: keras.Model, batches: Sequence[NDArray[np.float32]]) -> list[Factors]:
    """Factorize every kernel by the second moments of what its layer is given."""
    moments: dict[int, tuple[keras.Layer, Floats | None]] = {}

    def note(layer: keras.Layer, given: tf.Tensor, _: tf.Tensor) -> None:
        if given.shape[-1] > WIDEST:
            moments[id(layer)] = layer, None
            return
        features = tf.cast(_mixed(layer, given), tf.float32)
        rows = tf.reshape(features, (-1, features.shape[-1]))
        moment = tf.matmul(rows, rows, transpose_a=True).numpy().astype(np.float64)
        _, before = moments.get(id(layer), (layer, None))
        moments[id(layer)] = layer, moment if before is None else before + moment

    layers = [layer for layer in layers_within(network) if _can_be_split(layer)]
    with heard(layers, note):
        for batch in batches:
            network(batch, training=False)
    return [_factorized(layer, moment) for layer, moment in moments.values()]


def _factorized(layer: keras.Layer, moment: Floats | None) -> Factors:
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


def _prices(
    network: keras.Model, factors: Sequence[Factors], batches: Sequence[NDArray[np.float32]]
) -> list[Floats]:
    """Say what keeping 0 to R directions of each kernel costs: divergence from the network, nats.

    Measured once for each, at half its numbers or where something is lost, and elsewhere in
    proportion to the lost energy.
    """

    def log_probabilities() -> tf.Tensor:
        logits = tf.concat([network(batch, training=False) for batch in batches], axis=0)
        return tf.nn.log_softmax(tf.cast(logits, tf.float32))

    wanted, prices = log_probabilities(), []
    for each in factors:
        kernel = _kernel(each.layer)
        before = kernel.numpy()
        some = int(np.sum(each.lost > NOTHING * each.lost[0])) - 1
        rank = max(0, min(some, each.size // 2 // each.step))
        kernel.assign(_as_kernel(each.layer, each.product(rank)))
        found = log_probabilities()
        kernel.assign(before)
        divergence = tf.reduce_mean(tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=-1))
        energy = max(each.lost[rank], np.finfo(np.float64).tiny)
        prices.append(each.lost * max(float(divergence), NOTHING) / energy)
    return prices


def _ranks(
    factors: Sequence[Factors], prices: Sequence[Floats], budget: int
) -> list[int | None] | None:
    """Choose ranks that fit into the budget; None leaves a kernel as it is.

    As many of the first kernels are left as that adds no more than `PATIENCE` to the price.
    """
    chosen = _cheapest(factors, prices, budget)
    if chosen is None:
        return None
    most = (1 + PATIENCE) * _price(prices, chosen)
    for first in range(1, len(factors)):
        budget -= factors[first - 1].size
        rest = _cheapest(factors[first:], prices[first:], budget)
        if rest is None or _price(prices[first:], rest) > most:
            break
        chosen = [*itertools.repeat(None, first), *rest]
    return chosen


def _price(prices: Sequence[Floats], ranks: Sequence[int | None]) -> float:
    pairs = zip(prices, ranks, strict=True)
    return float(sum(price[rank] for price, rank in pairs if rank is not None))


def _cheapest(
    factors: Sequence[Factors], prices: Sequence[Floats], budget: int
) -> list[int | None] | None:
    """Choose ranks of the least price that fit into the budget; None where there are none.

    By Lagrange's multiplier: every layer takes what is best for it where a parameter costs so much.
    """

    def chosen(cost: float) -> list[int | None]:
        found: list[int | None] = []
        for each, price in zip(factors, prices, strict=True):
            totals = {rank: price[rank] + cost * rank * each.step for rank in each.ranks()}
            best = min(totals, key=totals.__getitem__, default=None)
            whole = best is None or totals[best] >= cost * each.size
            found.append(None if whole else best)
        return found

    def fits(ranks: Sequence[int | None]) -> bool:
        sizes = zip(factors, ranks, strict=True)
        return sum(f.size if rank is None else rank * f.step for f, rank in sizes) <= budget

    low, high = 0.0, 1e6
    if not fits(chosen(high)):
        return None
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(chosen(middle)) else (middle, high)
    return chosen(high)


def _split(factors: Factors, rank: int) -> list[Part]:
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
        (keras.layers.Conv2D.from_config(config), [_as_kernel(layer, second), *bias]),
    ]


def _can_be_split(layer: keras.Layer) -> bool:
    if isinstance(layer, keras.layers.SeparableConv2D):
        return bool(layer.depth_multiplier == 1 and layer.data_format == "channels_last")
    if type(layer) is keras.layers.Conv2D:
        return bool(layer.groups == 1 and layer.data_format == "channels_last")
    return type(layer) is keras.layers.Dense


def _mixed(layer: keras.Layer, given: tf.Tensor) -> tf.Tensor:
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


def _kernel(layer: keras.Layer) -> Any:
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    return (layer.pointwise_kernel if separable else layer.kernel).value


def _matrix(layer: keras.Layer) -> Floats:
    """Return a layer's kernel as a matrix (channels in, places * channels out)."""
    kernel = np.asarray(_kernel(layer).numpy(), np.float64)
    if kernel.ndim == 2:
        return kernel
    return np.moveaxis(kernel, 2, 0).reshape(kernel.shape[2], -1)


def _as_kernel(layer: keras.Layer, matrix: Floats) -> NDArray[np.float32]:
    """Undo `_matrix`, for as many channels in as the matrix has rows."""
    shape = _kernel(layer).shape
    if len(shape) == 2:
        return matrix.astype(np.float32)
    places = matrix.reshape(len(matrix), *shape[:2], shape[3])
    return np.moveaxis(places, 0, 2).astype(np.float32)
