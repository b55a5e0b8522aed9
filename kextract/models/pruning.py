"""A smaller and faster copy of a network, which has only some of its channels.

Channels go one by one, whichever costs least for the multiply-adds that it saves. What one costs is
the share of the outputs of the layers after it that they cannot make of the channels that are left,
times what such an error does to the logits: an error of a first layer may grow on its way, one of a
last layer may be averaged away. What each layer is given is looked at while the network looks at
images, at some places of each.

From the first follows which channel the others can replace best, and with which weights: Hassibi &
Stork 1993, "Second order derivatives for network pruning: Optimal brain surgeon", whose quadratic
form is here that of one layer's outputs, as in Luo et al. 2017, "ThiNet", section 3.2. When all
layers have lost channels, each is fitted to what it is given now: He et al. 2017, "Channel pruning
for accelerating very deep neural networks", section 3.1.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.architectures import SHARES
from kextract.models.channels import (
    Channels,
    Description,
    Ids,
    Mask,
    Use,
    as_it_is,
    mixing_kernel,
    rebuilt,
    run,
)
from kextract.models.classifier_head import ending_of
from kextract.models.cloning import code_of_its_own, copied, folded, in_float32
from kextract.models.cost import MEMORY, at_once, cost_of, in_batches, parts

Floats = NDArray[np.float64]
BATCH = 32
"""Images that are looked at at a time, fewer of large ones."""
PLACES = 32, 64
"""Places of an image at which a layer is looked at: where channels are chosen, and where kernels
are fitted."""
LARGEST = 2304
"""Rows of a kernel up to which it is fitted to the copy's features."""
DAMPED, RIDGE = 1e-3, 3e-2
"""Added to every variance, as a share of their mean: where channels are chosen, and where kernels
are fitted."""
UNCERTAIN = 0.1
"""Added to `DAMPED` for each channel beside the places looked at: few say little of how channels
vary together."""
INJECTED = 0.1
"""Error of a layer's outputs that `measure_gains` tries, as a share of their variance."""


class Reconstruction:
    """What a layer makes of the channels of its input that are left, as near as it can."""

    def __init__(self, use: Use) -> None:
        self.use = use
        self.channels = channels = use.different()
        self.gain = 1.0
        """Share of its outputs' error that arrives at the logits, see `measure_gains`."""
        self._places, self._shift = 0, np.zeros(channels, np.float32)
        self._sum, self._products = np.zeros(channels), np.zeros((channels, channels))
        self._random = np.random.default_rng(0)

    def look(self, given: tf.Tensor) -> None:
        """Take note of what the layer is given, (n, ..., c), at some places."""
        if isinstance(self.use.layer, keras.layers.SeparableConv2D):
            given = _by_channel(self.use.layer, given)
        rows = tf.reshape(given, (len(given), -1, self.channels))
        places = self._random.permutation(rows.shape[1])[: PLACES[0]]
        found = tf.gather(rows, places, axis=1).numpy().reshape(-1, self.channels)
        if not self._places:
            # Products of what is near 0 are exact enough in float32.
            self._shift = found.mean(axis=0)
        found -= self._shift
        self._places += len(found)
        self._sum += found.sum(axis=0, dtype=np.float64)
        self._products += found.T @ found

    def begin(self) -> None:
        """Compute what every channel costs."""
        mean = self._sum / self._places
        covariance = self._products / self._places - np.outer(mean, mean)
        self._mean = self._shift + mean
        kernel = mixing_kernel(self.use.layer).numpy().astype(np.float64)
        # A channel has a row for every place of the kernel, or of the map that was flattened.
        tiles = kernel.reshape(-1, self.channels, kernel.shape[-1])
        self._before = np.moveaxis(tiles, 1, 0).reshape(self.channels, -1)
        self._kernel, self._outputs = self._before.copy(), kernel.shape[-1]
        energy = np.sum(self._kernel * (covariance @ self._kernel))
        self._scale = self.gain / max(energy, np.finfo(np.float64).tiny)
        damping = DAMPED + UNCERTAIN * self.channels / self._places
        damping = damping * np.trace(covariance) / self.channels + np.finfo(np.float32).tiny
        self._inverse = np.linalg.inv(covariance + damping * np.eye(self.channels))
        self._diagonal = np.diag(self._inverse).copy()
        # As many as there are; memory that is not written to costs nothing.
        self._columns = np.empty_like(self._inverse)
        self._removed = 0
        self.left = np.ones(self.channels, np.bool_)

    def prices(self) -> Floats:
        """Return the share of the outputs' energy lost with each channel, times `gain`, (c,)."""
        diagonal = np.where(self.left, self._diagonal, 1.0)
        energies = np.einsum("ij,ij->i", self._kernel, self._kernel)
        return np.where(self.left, self._scale * energies / diagonal, 0.0)

    def remove(self, channel: int) -> None:
        """Let the others do what a channel did."""
        # The inverse is corrected where it is read: to write all of it would take long.
        before = self._columns[: self._removed]
        column = self._inverse[channel] - before[:, channel] @ before
        self._kernel -= np.outer(column / column[channel], self._kernel[channel])
        self._columns[self._removed] = column / np.sqrt(column[channel])
        self._diagonal -= self._columns[self._removed] ** 2
        self._removed += 1
        self._kernel[channel], self.left[channel] = 0.0, False

    def weights(self) -> tuple[Floats, Floats]:
        """Return the kernel (places, channels left, outputs), and what to add to the bias."""
        shape = (self.channels, -1, self._outputs)
        lost = self._mean @ (self._before - self._kernel)
        kernel = np.moveaxis(self._kernel.reshape(shape)[self.left], 0, 1)
        return kernel, lost.reshape(shape[1:]).sum(axis=0)


def measure_gains(
    network: keras.Model, reconstructions: Mapping[int, Reconstruction], images: NDArray[np.float32]
) -> None:
    """Tell each reconstruction how much of an error of its layer arrives at the logits.

    The error is like the layer's own features: some of those that it makes of another image. Both
    it and what becomes of the logits are shares of a variance, over images (n, h, w, c), n > 1.
    """

    def logits(disturbed: Any = None) -> tf.Tensor:
        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if layer is not disturbed:
                return layer(*args, **kwargs)
            made = _before_activation(layer, args[0])
            means = tf.reduce_mean(made, axis=tuple(range(len(made.shape) - 1)))
            return layer.activation(made + INJECTED**0.5 * tf.roll(made - means, 1, axis=0))

        return run(network, [tf.constant(images)], call)

    wanted = logits()
    spread = tf.reduce_mean(tf.math.reduce_variance(wanted, axis=0)) + np.finfo(np.float32).tiny
    for each in reconstructions.values():
        moved = logits(each.use.layer) - wanted
        each.gain = float(tf.reduce_mean(moved**2) / spread) / INJECTED


def look(
    network: keras.Model, reconstructions: Mapping[int, Reconstruction], images: NDArray[np.float32]
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
    places = random.permutation(wanted.shape[1])[: PLACES[1]]
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


IMAGES, DISTURBED = 256, 16
"""Images that a network is shown, and those that its gains are measured with."""
COUNTED_EVERY = 16
"""Removals after which it is counted again what others save: it changes little, and takes long."""
WIDEST = 4096
"""Channels of an input above which all are left: their covariance would take long to invert."""


def pruned(network: keras.Model, share: float, images: NDArray[np.float32]) -> keras.Model:
    """Copy a network of logits so that at most `share` of its multiply-adds are left, 0 to 1.

    `images` (n, h, w, c), in [-1, 1], `IMAGES` of them, are what the copy should answer like the
    network. What its classifier is given stays whole, if that much can be left. Batch
    normalizations are folded where that is possible; others stay as they are when the copy is
    trained: their statistics are of the data that the network was trained with. Raises
    RequestError where so little cannot be left.
    """
    if found := code_of_its_own(network):
        raise RequestError(
            f"--student teacher@{share:g}: {found} computes in code of its own, of which no channel"
            " can be removed; name an architecture, such as --student lenet5"
        )
    total = cost_of(network).multiply_adds
    whole, channels, costs = _found(folded(in_float32(network)), share, total)
    reconstructions = {
        key: Reconstruction(use)
        for key, use in channels.uses.items()
        if use.mixes and use.different() <= WIDEST
    }
    measure_gains(whole, reconstructions, images[:DISTURBED])
    look(whole, reconstructions, images)
    kept = _chosen(costs, [*reconstructions.values()], share * total)
    head = ending_of(whole)
    if head is not None and kept[channels.uses[id(head.classifier)].given].all():
        # The network's own classifier stays, so that features can be compared.
        del reconstructions[id(head.classifier)]
    copy, layers = rebuilt(whole, lambda layer: _described(layer, channels, kept, reconstructions))
    # All are fitted at once; of as many large images as fit into memory kernels learn those only.
    if at_once(network, len(images)) == len(images):
        once = {key: each.use for key, each in reconstructions.items() if each.use.calls == 1}
        fit(whole, layers, once, kept, images)
    # A network that was taught on another one's frozen features still says that they are frozen.
    for layer in copy.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    return copy


def _found(
    network: keras.Model, share: float, total: int
) -> tuple[keras.Model, Channels, "_MultiplyAdds"]:
    """Return a network as one graph, its channels, and its cost, of which so little can be left.

    What the classifier is given goes only if nothing else is enough, and then, if need be, by way
    of fewer channels between it and the logits.
    """
    for spared, narrowed in ((True, False), (False, False), (False, True)):
        whole, _ = rebuilt(_with_bottleneck(network) if narrowed else network)
        channels, head = Channels(whole), ending_of(whole)
        for use in channels.uses.values():
            if use.mixes and use.different() > WIDEST:
                channels.keep(use.given)
        if spared and head is not None:
            channels.keep(channels.uses[id(head.classifier)].given)
        costs = _MultiplyAdds(channels, cost_of(whole).multiply_adds)
        if (least := costs.least()) <= share * total:
            return whole, channels, costs
    possible = np.ceil(1000 * least / total) / 1000
    advice = f"ask for teacher@{possible:g} or more, or " if possible <= SHARES[1] else ""
    raise RequestError(
        f"--student teacher@{share:g}: of {total:,} multiply-adds no fewer than {least:,.0f} can be"
        f" left by removing channels; {advice}name another architecture, such as --student lenet5"
    )


def _with_bottleneck(network: keras.Model) -> keras.Model:
    """Copy a network with a classifier of two layers, the first of as many channels as its rank."""
    head = ending_of(network)
    if head is None or not isinstance(head.classifier, keras.layers.Dense):
        return network
    classifier = head.classifier
    kernel, *bias = classifier.get_weights()
    left, sizes, right = np.linalg.svd(kernel, full_matrices=False)
    between = keras.layers.Dense(len(sizes), use_bias=False, name=f"{classifier.name}_narrow")
    last = keras.layers.Dense.from_config(classifier.get_config())
    sizes = np.sqrt(sizes)
    parts = [(between, [left * sizes]), (last, [sizes[:, None] * right, *bias])]
    return copied(network, {id(classifier): parts})


class _MultiplyAdds:
    """The multiply-adds of a network, and which of them go with each group of channels."""

    def __init__(self, channels: Channels, total: int) -> None:
        self.groups = groups = channels.groups()
        counted = [use for use in channels.uses.values() if use.adds or use.adds_alone]
        self._each = np.array([use.adds for use in counted], np.float64)
        self._alone = np.array([use.adds_alone for use in counted], np.float64)
        self._given = np.array([len(use.given) for use in counted], np.float64)
        self._made = np.array([len(use.made) for use in counted], np.float64)
        # (layers, groups): how many of a layer's channels are of a group.
        self._of_given = np.array([_times(groups, use.given) for use in counted], np.float64)
        self._of_made = np.array([_times(groups, use.made) for use in counted], np.float64)
        self._others = 0.0
        self._others = total - self.left()

    def left(self) -> float:
        return float(self._others + self._given @ (self._each * self._made + self._alone))

    def saved(self) -> Floats:
        """Return what removing a channel more saves, for every group."""
        by_given = (self._each * self._made + self._alone) @ self._of_given
        return np.asarray(by_given + (self._each * self._given) @ self._of_made)

    def least(self) -> float:
        """Return how many would be left if every layer had one channel, or those that must stay."""
        given, made = self._given, self._made
        for group in range(self._of_given.shape[1]):
            self.remove(group)
        least, self._given, self._made = self.left(), given, made
        return least

    def remove(self, group: int) -> bool:
        """Remove a group, unless a layer would be left without channels; tell whether it went."""
        given = self._given - self._of_given[:, group]
        made = self._made - self._of_made[:, group]
        if min(given.min(), made.min()) < 1:
            return False
        self._given, self._made = given, made
        return True


def _times(groups: Ids, ids: Ids) -> Ids:
    """Count how many of some channels are of each group."""
    return np.bincount(groups[ids] + 1, minlength=groups.max() + 2)[1:]


def _chosen(costs: _MultiplyAdds, reconstructions: Sequence[Reconstruction], most: float) -> Mask:
    """Choose which channels stay, so that at most so many multiply-adds are left if possible."""
    groups = costs.groups
    # The last price is of all channels that must stay, whose group is -1.
    prices, gone = np.zeros(groups.max() + 2), np.zeros(groups.max() + 2, np.bool_)
    found_in = defaultdict[int, list[tuple[Reconstruction, int]]](list)
    for each in reconstructions:
        own = groups[each.use.given[: each.channels]]
        for channel in np.flatnonzero(own >= 0).tolist():
            found_in[own[channel]].append((each, channel))
        np.add.at(prices, own, each.prices())
    may_go, saved = np.ones(len(prices) - 1, np.bool_), costs.saved()
    while costs.left() > most and may_go.any():
        if np.sum(may_go) % COUNTED_EVERY == 0:
            saved = costs.saved()
        group = int(np.argmin(np.where(may_go, prices[:-1] / np.maximum(saved, 1.0), np.inf)))
        may_go[group] = False
        if not costs.remove(group):
            continue
        gone[group] = True
        for each, channel in found_in[group]:
            own = groups[each.use.given[: each.channels]]
            np.subtract.at(prices, own, each.prices())
            each.remove(channel)
            np.add.at(prices, own, each.prices())
    return ~gone[groups]


def _described(
    layer: Any, channels: Channels, kept: Mask, reconstructions: Mapping[int, Reconstruction]
) -> Description:
    """Describe a layer with the channels that are kept."""
    config, weights = as_it_is(layer)
    use = channels.uses.get(id(layer))
    if use is None:
        return config, weights
    given, made = kept[use.given], kept[use.made]
    if isinstance(layer, keras.layers.Reshape):
        config["target_shape"] = (*layer.target_shape[:-1], int(made.sum()))
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        weights = [weights[0][:, :, given], *(each[made] for each in weights[1:])]
    elif not use.mixes:
        weights = [each[..., made] if each.shape[-1] == len(made) else each for each in weights]
    elif id(layer) in reconstructions:
        kernel, change = reconstructions[id(layer)].weights()
        shape = mixing_kernel(layer).shape
        kernel = kernel[..., made].reshape(*shape[:-2], -1, made.sum())
        depthwise = [weights[0][:, :, given]] if len(weights) - layer.use_bias == 2 else []
        bias = (weights[-1] if layer.use_bias else 0) + change
        config["units" if isinstance(layer, keras.layers.Dense) else "filters"] = int(made.sum())
        config["use_bias"] = True
        weights = [*depthwise, kernel, bias[made]]
    return config, weights
