"""How the layers of a cleaned description hang together, found out without building them."""

from collections.abc import Iterator
from typing import Any

from kextract.models.axes import Shape, image_shape
from kextract.models.heads import distinct
from kextract.storage.archive.allowed import WEIGHTED_LAYERS
from kextract.storage.archive.values import Json
from kextract.storage.refusal import Refused, printable

MAX_CALLS = 1_500
"""How often layers may be applied in all, those of a shared model counted each time."""
_MAX_PASSES = 16

Place = tuple[str, int, int]
"""A layer, which of its calls, and which of the tensors of that call."""


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
    return sum(
        weighted_layers(layer) if is_model(layer) else layer["class_name"] in WEIGHTED_LAYERS
        for layer in layers_of(model)
    )


def normalizes(model: Json) -> bool:
    """Tell whether a model has batch normalizations, those of models inside included."""
    return any(
        normalizes(layer) if is_model(layer) else layer["class_name"] == "BatchNormalization"
        for layer in layers_of(model)
    )


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
