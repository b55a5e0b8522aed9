"""How the layers of a cleaned description hang together, and what they end in; nothing is built.

A network that ends in a softmax has its logits just before it. They are had by describing the last
layer anew, as a linear one, before Keras builds it: the logarithm of a probability that was rounded
to 0 or 1 would tell nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kextract.errors import Refused
from kextract.foreign.keras.allowed import RANDOM_LAYERS, WEIGHTED_LAYERS
from kextract.foreign.keras.description import Json
from kextract.models.axes import Shape, image_shape
from kextract.models.heads import distinct, plain_name
from kextract.text import printable

MAX_CALLS = 1_500
"""How often layers may be applied in all, those of a shared model counted each time."""
_MAX_PASSES = 16

Place = tuple[str, int, int]
"""A layer, which of its calls, and which of the tensors of that call."""

_SHAPING = frozenset({"ExpandDims", "Flatten", "Permute", "Reshape", "Squeeze"})
_PASSING = _SHAPING | RANDOM_LAYERS | {"Identity"}
"""What gives numbers on as they are, outside of training."""
_WEIGHTED = frozenset({"Conv2D", "Dense"})
_WITH_ACTIVATION = _WEIGHTED | {"Activation"}
_ENDS = {"softmax": "probabilities", "sigmoid": "sigmoids", "logsoftmax": "log-probabilities"}
"""What can be taken off, and what it makes of logits."""


def shape_of_images(model: Json) -> Shape:
    """Give height, width and channels of the one image that a model takes. Raises Refused."""
    inputs = [layer for layer in layers_of(model) if layer["class_name"] == "InputLayer"]
    if not inputs:
        raise Refused("does not say of which size its images are: call the model, then save it")
    if len(inputs) > 1 or (is_graph(model) and len(_ends(model, "input_layers")) != 1):
        raise Refused("takes more than one input; read are models of one image")
    axes = inputs[0]["config"]["batch_shape"][1:]
    shape = image_shape(axes)
    if shape is None:
        sizes = "x".join("?" if size is None else str(size) for size in axes)
        raise Refused(
            f"takes inputs of {sizes}; needed are images of a fixed HxWxC, or square ones as a row"
        )
    return shape


def check_graph(model: Json) -> None:
    """Raise Refused for layers that are not a graph, or that would be applied without end."""
    if _calls(model) > MAX_CALLS:
        raise Refused(f"applies its layers more than {MAX_CALLS} times")


def weighted_layers(model: Json) -> int:
    """Count the layers that certainly have weights, those of models inside included."""
    return sum(layer["class_name"] in WEIGHTED_LAYERS for layer in _all_layers(model))


def normalizes(model: Json) -> bool:
    """Tell whether a model has batch normalizations, those of models inside included."""
    return any(layer["class_name"] == "BatchNormalization" for layer in _all_layers(model))


def _all_layers(model: Json) -> Iterator[Json]:
    for layer in layers_of(model):
        yield layer
        if is_model(layer):
            yield from _all_layers(layer)


def layers_of(model: Json) -> list[Json]:
    """Give the descriptions of a model's layers."""
    layers: list[Json] = model["config"]["layers"]
    return layers


def is_model(layer: Json) -> bool:
    """Tell whether a layer is a model itself."""
    return layer["class_name"] in ("Functional", "Sequential")


def is_graph(model: Json) -> bool:
    """Tell whether a model is a functional one."""
    return bool(model["class_name"] == "Functional")


def ends_by_name(model: Json) -> dict[str, Place]:
    """Give the outputs of a model by their names: those of layers, or its author's."""
    if not is_graph(model):
        return {
            layers_of(model)[-1]["config"]["name"]: (layers_of(model)[-1]["config"]["name"], 0, 0)
        }
    value = model["config"]["output_layers"]
    places = _ends(model, "output_layers")
    names = sorted(value) if isinstance(value, dict) else distinct(name for name, _, _ in places)
    return dict(zip(names, places, strict=True))


def _ends(model: Json, key: str) -> list[Place]:
    """Give the inputs or outputs of a functional model as layer, node and tensor."""
    value = model["config"][key]
    if isinstance(value, dict):
        # Keras puts a dictionary into the order of its keys.
        value = [value[name] for name in sorted(value)]
    places = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    for place in places:
        if not isinstance(place, list) or [type(item) for item in place] != [str, int, int]:
            raise Refused(f"has '{key}' of an unusual form")
    return [tuple(place) for place in places]


def _calls(model: Json) -> int:
    if is_graph(model):
        _check_order(model)
        _check_use(model)
    total = 0
    for layer in layers_of(model):
        times = len(layer["inbound_nodes"]) if is_graph(model) else 1
        total += times * (_calls(layer) if is_model(layer) else 1)
    return total


def _check_order(model: Json) -> None:
    """Make sure that Keras can connect the layers, and soon: it goes round until all are."""
    layers = layers_of(model)
    ready = {layer["name"]: int(layer["class_name"] == "InputLayer") for layer in layers}
    waiting = {layer["name"]: list(layer["inbound_nodes"]) for layer in layers}
    for name, node in (source for layer in layers for source in sources(layer["inbound_nodes"])):
        if name not in ready or node < 0:
            raise Refused(f"has no layer '{printable(name)}', which another is applied to")
    for _ in range(_MAX_PASSES):
        for name, nodes in waiting.items():
            while nodes and all(node < ready[source] for source, node in sources(nodes[0])):
                ready[name] += 1
                del nodes[0]
        if not any(waiting.values()):
            return
    raise Refused("has layers in a circle, without an input or out of order")


def _check_use(model: Json) -> None:
    """Refuse layers that no output depends on: Keras saves none, and building them takes time."""
    before = {
        layer["name"]: {name for name, _ in sources(layer["inbound_nodes"])}
        for layer in layers_of(model)
    }
    used: set[str] = set()
    waiting = [name for name, _, _ in _ends(model, "output_layers")]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += before.get(name, ())
    for layer in layers_of(model):
        if layer["name"] not in used and layer["class_name"] != "InputLayer":
            raise Refused(f"has a layer '{printable(layer['name'])}' that nothing depends on")


def sources(value: Any) -> Iterator[tuple[str, int]]:
    """Yield layer and node of every tensor among the arguments of a call."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from sources(item)
    elif isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, node, _ = value["config"]["keras_history"]
            yield name, node
        else:
            for item in value.values():
                yield from sources(item)


@dataclass(frozen=True)
class OutputOperation:
    """The last layer of a description that changes numbers."""

    layer: Json
    operation: str
    """What it does last, such as `softmax`, or `dense` for nothing after its sums."""
    reshaped: bool
    """Whether axes may have changed after it."""

    @property
    def kind(self) -> str:
        """What its last operation makes of logits."""
        return _ENDS.get(self.operation, "logits")


def ending(model: Json, place: Place | None = None) -> OutputOperation | None:
    """Find what a description ends in, or what one of its outputs does; None where that is lost."""
    found = _before(model, place)
    return found if isinstance(found, OutputOperation) else None


def take_off(end: OutputOperation, requested: str | None = None) -> bool:
    """Describe the layer without the softmax or sigmoid that it ends in; say whether it had one.

    Where `requested` says that the outputs are something else, it stays. The layer then computes in
    float32.
    """
    layer, config = end.layer, end.layer["config"]
    if layer["class_name"] in _WITH_ACTIVATION:
        config["dtype"] = "float32"
    kind = _ENDS.get(end.operation)
    if kind is None or requested not in (None, kind) or not _is_over_classes(layer):
        return False
    if layer["class_name"] in _WITH_ACTIVATION:
        config["activation"] = "linear"
        return True
    name = config["name"]
    layer |= {"module": "keras.layers", "class_name": "Activation", "registered_name": None}
    layer["config"] = {"name": name, "activation": "linear", "dtype": "float32"}
    for node in layer.get("inbound_nodes", ()):
        node["args"], node["kwargs"] = node["args"][:1], {}
    return True


def _is_over_classes(layer: Json) -> bool:
    """Tell whether a softmax is taken over the last axis."""
    config = layer["config"]
    activation = config.get("activation")
    if isinstance(activation, dict):
        config = activation.get("config", {})
    nodes = layer.get("inbound_nodes", ())
    plain = layer["class_name"] in _WITH_ACTIVATION or all(len(node["args"]) == 1 for node in nodes)
    return plain and config.get("axis", -1) in (-1, [-1])


def _before(
    model: Json, place: Place | None, reshaped: bool = False
) -> OutputOperation | bool | None:
    """Go back from an output: the ending, None where that is lost, or whether all is the same.

    A model that only arranges gives True where it may change axes, False where it does not.
    """
    # Custom layers, in memory, may have any description.
    layers = {layer["config"].get("name", layer.get("name")): layer for layer in layers_of(model)}
    order = list(layers)
    if is_graph(model) and place is None:
        ends = list(ends_by_name(model).values())
        if len(ends) != 1:
            return None
        (place,) = ends
    name = place[0] if place and is_graph(model) else order[-1]
    while True:
        layer = layers.get(name)
        if layer is None or (is_graph(model) and len(layer.get("inbound_nodes", ())) > 1):
            # Applied several times, it is more than the head.
            return None
        if layer["class_name"] == "InputLayer":
            return reshaped
        if is_model(layer):
            inner = _before(layer, None, reshaped)
            if not isinstance(inner, bool):
                return inner
            reshaped = inner
        else:
            operation = _operation(layer)
            if operation is not None:
                return OutputOperation(layer, operation, reshaped)
            reshaped = reshaped or layer["class_name"] in _SHAPING
        if is_graph(model):
            given = {source for source, _ in sources(layer["inbound_nodes"])}
            if len(given) != 1:
                return None
            (name,) = given
        elif order.index(name) == 0:
            return reshaped
        else:
            name = order[order.index(name) - 1]


def _operation(layer: Json) -> str | None:
    """Name what a layer does last; None where it gives numbers on as they are."""
    name = layer["class_name"]
    if not str(layer.get("module", "")).startswith("keras"):
        return str(name)
    if name in _PASSING:
        return None
    activation = layer["config"].get("activation")
    if isinstance(activation, dict):
        activation = activation.get("class_name")
    if name in _WITH_ACTIVATION and activation not in (None, "linear"):
        return plain_name(str(activation))
    return None if name == "Activation" else plain_name(str(name))
