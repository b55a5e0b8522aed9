"""Which channels of a network go together, and copies of it that have only some of them.

A channel begins where a convolution or a dense layer makes it. Layers that treat every channel by
itself hand it on, an addition makes one of two, a Flatten several of one; a layer that is not known
here keeps all that it is given. What is found is what can be removed from all layers alike.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

MIXING = (keras.layers.Conv2D, keras.layers.Dense, keras.layers.SeparableConv2D)
"""Layers whose outputs are channels of their own, each mixed from all that they are given."""
CHANNELWISE = (
    keras.layers.Activation,
    keras.layers.AveragePooling2D,
    keras.layers.BatchNormalization,
    keras.layers.Cropping2D,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling2D,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.SpatialDropout2D,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
)
MERGING = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
OPERATIONS = {
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Maximum", "Minimum"), "merging"),
    **dict.fromkeys(("Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "HardSigmoid"), "channelwise"),
    **dict.fromkeys(("HardSilu", "Clip", "LeakyRelu", "Elu", "Gelu"), "channelwise"),
}
"""What functions of `keras.ops` do that stand in a graph by themselves, not in a layer."""
ACROSS = ("softmax", "log_softmax", "sparsemax", "glu")
"""Activations that look at all channels at once."""


def run(network: keras.Model, values: Sequence[Any], call: Callable[..., Any]) -> Any:
    """Go through the graph of a network and return what comes out of it.

    `values` stand for its inputs, and may be anything; `call` is given a layer or operation and the
    arguments of one call of it. Values are let go of as soon as nothing needs them.
    """
    graph = getattr(network, "_functional", network)
    depths = graph._nodes_by_depth
    nodes = [node for depth in sorted(depths, reverse=True) for node in depths[depth]]
    nodes = [node for node in nodes if not node.is_input]
    needed = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    needed.update(id(tensor) for tensor in graph.outputs)
    known = dict(zip(map(id, graph.inputs), values, strict=True))
    for node in nodes:
        args, kwargs = node.arguments.fill_in(known)
        made = keras.tree.flatten(call(node.operation, *args, **kwargs))
        known.update(zip(map(id, node.outputs), made, strict=True))
        del args, kwargs, made
        for tensor in node.input_tensors:
            needed[id(tensor)] -= 1
            if not needed[id(tensor)]:
                del known[id(tensor)]
    outputs = [known[id(tensor)] for tensor in graph.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


Description = tuple[dict[str, Any], list[Any]]
"""The configuration of a layer, and its weights."""


def as_it_is(operation: Any) -> Description:
    """Describe a layer or an operation of a graph."""
    weights = operation.get_weights() if isinstance(operation, keras.Layer) else []
    return operation.get_config(), weights


def rebuilt(
    network: keras.Model, described: Callable[[Any], Description] = as_it_is
) -> tuple[keras.Model, dict[int, Any]]:
    """Copy a network as one graph, without models inside it and layers that do nothing.

    `described` says what each layer is to be. Returns the new layers too, by the `id` of the old.
    """
    layers: dict[int, Any] = {}
    weights: list[tuple[keras.Layer, list[Any]]] = []
    names: Counter[str] = Counter()

    def layer_like(operation: Any) -> Any:
        config, values = described(operation)
        name = operation.name
        names[name] += 1
        if names[name] > 1:
            name = f"{name}_{names[name]}"
        copy = type(operation).from_config({**config, "name": name} if "name" in config else config)
        if values:
            weights.append((copy, values))
        return copy

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, keras.Model):
            return run(operation, keras.tree.flatten(args), call)
        if isinstance(operation, keras.layers.Identity):
            return args[0]
        if id(operation) not in layers:
            layers[id(operation)] = layer_like(operation)
        return layers[id(operation)](*args, **kwargs)

    inputs = keras.Input(network.input_shape[1:], name=network.inputs[0].name)
    copy = keras.Model(inputs, run(network, [inputs], call), name=network.name)
    for layer, values in weights:
        layer.set_weights(values)
    return copy, layers


@dataclass
class Use:
    """A layer with weights, and the channels that it is given and makes."""

    layer: Any
    given: Ids
    made: Ids
    mixes: bool
    adds: int = 0
    """Multiply-adds of an image for each pair of a channel given and one made."""
    adds_alone: int = 0
    """Multiply-adds for each channel given, whatever is made of it."""
    calls: int = 0

    def different(self) -> int:
        """Count the channels given, which after a Flatten come once for every place."""
        count = len(np.unique(self.given))
        times, rest = divmod(len(self.given), count)
        repeated = not rest and np.array_equal(self.given, np.tile(self.given[:count], times))
        return count if repeated else len(self.given)


@dataclass(frozen=True)
class _Feature:
    """What stands for features in a graph: shape and type, and the channels of the last axis."""

    spec: keras.KerasTensor
    ids: Ids


class Channels:
    """The channels of a network of one graph, see `rebuilt`, numbered from 0."""

    def __init__(self, network: keras.Model) -> None:
        self.uses: dict[int, Use] = {}
        """By the `id` of the layer."""
        self._parents: list[int] = []
        self._kept: list[Ids] = []
        inputs = [_Feature(each, self._new(each.shape[-1])) for each in network.inputs]
        self.keep(inputs[0].ids)
        for made in keras.tree.flatten(run(network, inputs, self._call)):
            self.keep(made.ids)

    def keep(self, ids: Ids) -> None:
        """Let channels stay."""
        self._kept.append(ids)

    def groups(self) -> Ids:
        """Number what goes together, 0 to g - 1, for every channel; -1 is for what stays."""
        first = np.array([self._first(number) for number in range(len(self._parents))])
        stays = np.zeros(len(first), np.bool_)
        stays[first[np.concatenate(self._kept)]] = True
        groups = np.full(len(first), -1)
        free = ~stays[first]
        groups[free] = np.unique(first[free], return_inverse=True)[1]
        return groups

    def _new(self, count: int) -> Ids:
        ids = np.arange(len(self._parents), len(self._parents) + count)
        self._parents.extend(ids.tolist())
        return ids

    def _first(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = number = self._parents[self._parents[number]]
        return number

    def _join(self, ids: Ids, others: Ids) -> None:
        for one, other in zip(ids.tolist(), others.tolist(), strict=True):
            self._parents[self._first(other)] = self._first(one)

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        features = [each for each in keras.tree.flatten((args, kwargs)) if _is_feature(each)]
        args, kwargs = keras.tree.map_structure(
            lambda each: each.spec if _is_feature(each) else each, (args, kwargs)
        )
        spec = operation.compute_output_spec(*args, **kwargs)
        found = self._made(operation, features, spec) if hasattr(spec, "shape") else None
        if found is not None:
            return _Feature(spec, found)
        for each in features:
            self.keep(each.ids)
        made = [_Feature(each, self._new(each.shape[-1])) for each in keras.tree.flatten(spec)]
        for each in made:
            self.keep(each.ids)
        return made

    def _made(self, layer: Any, features: list[_Feature], spec: keras.KerasTensor) -> Ids | None:
        """Return the channels that a layer makes; None for one that is not known."""
        ids, size = features[0].ids, spec.shape[-1]
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        if getattr(layer, "data_format", None) == "channels_first" or activation in ACROSS:
            return None
        kind = None if isinstance(layer, keras.Layer) else OPERATIONS.get(type(layer).__name__)
        if type(layer) in MIXING:
            if getattr(layer, "groups", 1) != 1 or getattr(layer, "depth_multiplier", 1) != 1:
                return None
            before = self.uses.get(id(layer))
            return self._use(layer, features[0], before.made if before else self._new(size), spec)
        if type(layer) is keras.layers.DepthwiseConv2D:
            return self._use(layer, features[0], np.repeat(ids, layer.depth_multiplier), spec)
        if isinstance(layer, CHANNELWISE) or (kind == "channelwise" and len(features) == 1):
            if getattr(layer, "axis", -1) not in (-1, len(spec.shape) - 1):
                return None
            return self._use(layer, features[0], ids, spec)
        if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
            if size != len(ids) and len(spec.shape) != 2:
                return None
            return self._use(layer, features[0], np.tile(ids, size // len(ids)), spec)
        if isinstance(layer, MERGING) or (kind == "merging" and len(features) == 2):
            if any(len(each.ids) != size for each in features):
                return None
            for each in features[1:]:
                self._join(ids, each.ids)
            return ids
        if isinstance(layer, keras.layers.Concatenate) and layer.axis in (-1, len(spec.shape) - 1):
            return np.concatenate([each.ids for each in features])
        return None

    def _use(self, layer: Any, feature: _Feature, made: Ids, spec: keras.KerasTensor) -> Ids:
        """Note a call of a layer; what goes through it at several calls goes together."""
        mixes = type(layer) in MIXING
        use = self.uses.setdefault(id(layer), Use(layer, feature.ids, made, mixes))
        self._join(use.given, feature.ids)
        self._join(use.made, made)
        use.calls += 1
        places = int(np.prod(spec.shape[1:-1]))
        if mixes:
            use.adds += places * int(np.prod(mixing_kernel(layer).shape[:-2]))
        if hasattr(layer, "depth_multiplier"):
            area = int(np.prod(layer.kernel_size))
            use.adds_alone += places * area * layer.depth_multiplier
        return made


def mixing_kernel(layer: Any) -> Any:
    """Return the variable (..., channels in, channels out) of a layer of `MIXING`."""
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    return layer.pointwise_kernel if separable else layer.kernel


def _is_feature(value: Any) -> bool:
    return isinstance(value, _Feature)
