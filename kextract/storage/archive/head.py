"""What a classifier ends in, and how its logits are had exactly.

A network that ends in a softmax has its logits just before it. They are had by describing the last
layer anew, as a linear one, before Keras builds it: the logarithm of a probability that was rounded
to 0 or 1 would tell nothing.
"""

from dataclasses import dataclass

from kextract.models.heads import plain_name
from kextract.storage.archive.allowed import RANDOM_LAYERS
from kextract.storage.archive.graph import (
    Place,
    ends_by_name,
    is_graph,
    is_model,
    layers_of,
    sources,
)
from kextract.storage.archive.values import Json

_SHAPING = frozenset({"ExpandDims", "Flatten", "Permute", "Reshape", "Squeeze"})
_PASSING = _SHAPING | RANDOM_LAYERS | {"Identity"}
"""What gives numbers on as they are, outside of training."""
_WEIGHTED = frozenset({"Conv2D", "Dense"})
_WITH_ACTIVATION = _WEIGHTED | {"Activation"}
_ENDS = {"softmax": "probabilities", "sigmoid": "sigmoids", "logsoftmax": "log-probabilities"}
"""What can be taken off, and what it makes of logits."""


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
