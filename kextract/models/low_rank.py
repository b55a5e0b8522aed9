"""A smaller copy of a network, whose kernels are products of two smaller ones.

How far each is cut is chosen for all of them together, by what it costs. Zhang et al. 2016,
"Accelerating very deep convolutional networks for classification and detection", section 3.3, takes
the product of energies for that; here it is measured divergence.
"""

import itertools
from collections.abc import Collection, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.batches import at_once, parts
from kextract.models.cloning import code_of_its_own, copied, in_float32
from kextract.models.factors import (
    Factors,
    as_kernel,
    can_be_split,
    factorized,
    kernel_of,
    mixed,
    split,
)
from kextract.models.folding import folded
from kextract.models.made_up_images import photographs
from kextract.models.statistics import batch_norm_layers, layers_within, record_calls

Floats = NDArray[np.float64]
IMAGES, BATCH = 256, 32
PATIENCE = 0.05
"""What it may cost, as a share of the price, that the beginning of a network is left as it is."""
WIDEST = 2048
"""Channels of an input above which all directions count alike: few images tell of so many."""
REPAIRED = 0.25
"""Share of its measured price that a cut of the last kernel costs: teaching repairs that best."""
NOTHING = 1e-6
"""Share of the energy whose loss would tell nothing of what a loss costs; and the least cost."""


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
    if found := code_of_its_own(network):
        raise RequestError(
            f"--student teacher@{share:g}: {found} computes in code of its own, which cannot be"
            " cut; name an architecture, such as --student lenet5"
        )
    if any(variable.dtype != "float32" for variable in network.weights):
        # Students are taught with weights of float32.
        network = in_float32(network)
    batches = [*parts(images, at_once(network, BATCH, all_held=True))]
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
        id(each.layer): split(each, rank)
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
    with record_calls(layers_within(network), lambda layer, *_: calls.append(layer)):
        network(np.zeros((1, *network.input_shape[1:]), np.float32), training=False)
    return itertools.takewhile(lambda layer: id(layer) not in layers, calls if layers else ())


def _factors(network: keras.Model, batches: Sequence[NDArray[np.float32]]) -> list[Factors]:
    """Factorize every kernel by the second moments of what its layer is given."""
    moments: dict[int, tuple[keras.Layer, Floats | None]] = {}

    def note(layer: keras.Layer, given: tf.Tensor, _: tf.Tensor) -> None:
        if given.shape[-1] > WIDEST:
            moments[id(layer)] = layer, None
            return
        features = tf.cast(mixed(layer, given), tf.float32)
        rows = tf.reshape(features, (-1, features.shape[-1]))
        moment = tf.matmul(rows, rows, transpose_a=True).numpy().astype(np.float64)
        _, before = moments.get(id(layer), (layer, None))
        moments[id(layer)] = layer, moment if before is None else before + moment

    layers = [layer for layer in layers_within(network) if can_be_split(layer)]
    with record_calls(layers, note):
        for batch in batches:
            network(batch, training=False)
    return [factorized(layer, moment) for layer, moment in moments.values()]


def _prices(
    network: keras.Model, factors: Sequence[Factors], batches: Sequence[NDArray[np.float32]]
) -> list[Floats]:
    """Say what keeping 0 to R directions of each kernel costs: divergence from the network, nats.

    Measured once for each, at half its numbers or where something is lost, and elsewhere in
    proportion to the lost energy; less for the last.
    """

    def log_probabilities() -> tf.Tensor:
        logits = tf.concat([network(batch, training=False) for batch in batches], axis=0)
        return tf.nn.log_softmax(tf.cast(logits, tf.float32))

    wanted, prices = log_probabilities(), []
    for each in factors:
        kernel = kernel_of(each.layer)
        before = kernel.numpy()
        some = int(np.sum(each.lost > NOTHING * each.lost[0])) - 1
        rank = max(0, min(some, each.size // 2 // each.step))
        kernel.assign(as_kernel(each.layer, each.product(rank)))
        found = log_probabilities()
        kernel.assign(before)
        divergence = tf.reduce_mean(tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=-1))
        energy = max(each.lost[rank], np.finfo(np.float64).tiny)
        prices.append(each.lost * max(float(divergence), NOTHING) / energy)
    prices[-1:] = [REPAIRED * price for price in prices[-1:]]
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
