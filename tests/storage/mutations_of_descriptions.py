"""Ways to make the description of a whole model say what it may not say."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.foreign.keras.examples import with_config
from tests.storage.mutations import Mutation

HUGE = (1 << 20, 1 << 31, 10**30, -1, 0, 1e308, 999_999)
ODD: tuple[Any, ...] = (None, [], {}, "x", "\x1b[2J", True, -1.5, [[[1]]], {"a": 1}, "relu", [1, 2])
FOREIGN = (
    ("os", "system", None),
    ("builtins", "eval", None),
    ("keras.utils", "get_file", None),
    ("keras.layers", "Lambda", None),
    ("keras.layers", "TFSMLayer", None),
    ("keras.layers", "TorchModuleWrapper", None),
    ("keras.layers", "StringLookup", None),
    ("keras.src.models.cloning", "clone_model", None),
    ("keras_hub.layers", "Thing", None),
    (None, "Thing", "package>Thing"),
    ("keras.layers", "Dense", "package>Dense"),
    ("keras", "Model", None),
)


def _of_config(change: Callable[[Any, Random], Any]) -> Mutation:
    def mutate(data: bytes, random: Random) -> bytes:
        return with_config(data, lambda config: change(config, random))

    mutate.__name__ = change.__name__
    return mutate


def _layer(config: Any, random: Random) -> Any:
    """Choose a layer that is no input."""
    layers = config["config"]["layers"]
    return random.choice([layer for layer in layers if layer["class_name"] != "InputLayer"])


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += _places(item, (*path, key))
    return found


def _put(config: Any, place: tuple[Any, ...], value: Any) -> None:
    for key in place[:-1]:
        config = config[key]
    config[place[-1]] = value


def make_lambda(config: Any, random: Random) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA=", "defaults": None}}
    layer = _layer(config, random)
    layer["class_name"] = "Lambda"
    layer["config"]["function"] = code


def make_foreign(config: Any, random: Random) -> None:
    layer = random.choice((_layer(config, random), config))
    layer["module"], layer["class_name"], layer["registered_name"] = random.choice(FOREIGN)


def make_function(config: Any, random: Random) -> None:
    function = {"module": "builtins", "class_name": "function", "config": "eval"}
    key = random.choice(("activation", "kernel_initializer", "kernel_regularizer", "dtype"))
    _layer(config, random)["config"][key] = random.choice((function, "eval", "os.system"))


def make_tensor(config: Any, random: Random) -> None:
    kind = random.choice(("__tensor__", "__numpy__", "__typespec__", "__bytes__", "__slice__"))
    bomb = {"class_name": kind, "config": {"value": [0] * 1000, "dtype": "float32"}}
    layer = _layer(config, random)
    if random.random() < 0.5:
        layer["inbound_nodes"][0]["args"].append(bomb)
    else:
        layer["config"]["scale"] = bomb


def make_huge(config: Any, random: Random) -> None:
    numbers = [place for place in _places(config) if type(_get(config, place)) is int]
    for _ in range(random.choice((1, 1, 3))):
        _put(config, random.choice(numbers), random.choice(HUGE))


def _get(config: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        config = config[key]
    return config


def confuse_value(config: Any, random: Random) -> None:
    _put(config, random.choice(_places(config)), random.choice(ODD))


def drop_key(config: Any, random: Random) -> None:
    *path, key = random.choice(_places(config))
    del _get(config, tuple(path))[key]


def swap_values(config: Any, random: Random) -> None:
    places = _places(config)
    one, other = random.choice(places), random.choice(places)
    _put(config, one, json.loads(json.dumps(_get(config, other))))


def rewire(config: Any, random: Random) -> None:
    names = [layer["config"]["name"] for layer in config["config"]["layers"]]
    history = [random.choice((*names, "gone")), random.choice((0, 0, 1, -1, 1 << 40)), 0]
    layer = _layer(config, random)
    tensor = {"shape": [None, 1], "dtype": "float32", "keras_history": history}
    argument = {"class_name": "__keras_tensor__", "config": tensor}
    layer["inbound_nodes"][0]["args"][0] = argument


def call_often(config: Any, random: Random) -> None:
    layer = _layer(config, random)
    layer["inbound_nodes"] *= random.choice((3, 5000))


def call_in_training(config: Any, random: Random) -> None:
    _layer(config, random)["inbound_nodes"][0]["kwargs"] = {"training": True}


def shuffle_layers(config: Any, random: Random) -> None:
    random.shuffle(config["config"]["layers"])


def repeat_layer(config: Any, random: Random) -> None:
    config["config"]["layers"] *= random.choice((2, 2000))


def nest_models(config: Any, random: Random) -> Any:
    for _ in range(random.choice((2, 30, 300))):
        inner = {**config, "name": "inner", "inbound_nodes": []}
        config = {**config, "config": {**config["config"], "layers": [inner]}}
    return config


def resize_input(config: Any, random: Random) -> None:
    shape = random.choice(([None], [None, 1 << 20, 1 << 20, 3], [2, 8, 8, 1], [None, None, 1], 7))
    config["config"]["layers"][0]["config"]["batch_shape"] = shape


def grow(config: Any, random: Random) -> None:
    """Layers without weights make the image larger and larger."""
    layers = config["config"]["layers"]
    fields = {"name": "grown", "size": [random.choice((8, 1000, 1 << 20))] * 2}
    source = {"shape": [None], "dtype": "float32", "keras_history": ["input_layer", 0, 0]}
    source["keras_history"][0] = layers[0]["config"]["name"]  # type: ignore[index]
    node = {"args": [{"class_name": "__keras_tensor__", "config": source}], "kwargs": {}}
    for number in range(random.choice((1, 3, 40))):
        name = f"grown_{number}"
        grown = {
            "module": "keras.layers",
            "class_name": "UpSampling2D",
            "config": {**fields, "name": name},
            "registered_name": None,
            "name": name,
            "inbound_nodes": [json.loads(json.dumps(node))],
        }
        layers.insert(number + 1, grown)
        source["keras_history"] = [name, 0, 0]
    layers[number + 2]["inbound_nodes"] = [node]


def _side_by_side(config: Any, before: Any, copies: list[Any]) -> None:
    """Put copies of a layer before another one that is applied to their sum."""
    layers = config["config"]["layers"]
    names = [copy["name"] for copy in copies]
    tensors = [{"shape": [None], "dtype": "float32", "keras_history": [n, 0, 0]} for n in names]
    made = [{"class_name": "__keras_tensor__", "config": tensor} for tensor in tensors]
    added: dict[str, Any] = {"module": "keras.layers", "class_name": "Add", "registered_name": None}
    added |= {"config": {"name": "sum"}, "name": "sum"}
    node = {"args": [[*made, made[0]]], "kwargs": {}}
    at = layers.index(before)
    layers[at:at] = [*copies, {**added, "inbound_nodes": [node]}]
    total = {"shape": [None], "dtype": "float32", "keras_history": ["sum", 0, 0]}
    source = {"class_name": "__keras_tensor__", "config": total}
    before["inbound_nodes"] = [{"args": [source], "kwargs": {}}]


def normalize_widely(config: Any, random: Random) -> None:
    """Normalizations keep a mean of every pixel, in memory and not in the file."""
    image, first, *_ = config["config"]["layers"]
    image["config"]["batch_shape"] = [None, 4096, random.choice((16, 4096)), 1]
    given = random.choice(({}, {"mean": 0.0, "variance": 1.0}))
    copies = []
    for number in range(random.choice((1, 50))):
        copy = {**json.loads(json.dumps(first)), "class_name": "Normalization"}
        copy["name"] = f"norm_{number}"
        copy["config"] = {"name": copy["name"], "axis": [1, 2, 3], **given}
        copies.append(copy)
    _side_by_side(config, first, copies)


def widen(config: Any, random: Random) -> None:
    """Many layers with weights side by side, in the place of one."""
    layers = config["config"]["layers"]
    at = random.choice((1, 2))
    wide = layers.pop(at)
    copies = []
    for number in range(random.choice((2, 1000))):
        copy = json.loads(json.dumps(wide))
        copy["name"] = copy["config"]["name"] = f"copy_{number}"
        copies.append(copy)
    _side_by_side(config, layers[at], copies)


def odd_training(config: Any, random: Random) -> None:
    evil = {"module": "os", "class_name": "system", "config": {"command": "true"}}
    config[random.choice(("compile_config", "build_config"))] = evil
    _layer(config, random)["build_config"] = {"input_shape": [None, 1 << 40]}


ANY_DESCRIPTION: tuple[Mutation, ...] = tuple(
    _of_config(change) for change in (make_huge, confuse_value, drop_key, swap_values)
)
"""Those that fit a description of any form."""
DESCRIPTIONS: tuple[Mutation, ...] = tuple(
    _of_config(change)
    for change in (
        make_lambda,
        make_foreign,
        make_function,
        make_tensor,
        make_huge,
        make_huge,
        confuse_value,
        confuse_value,
        drop_key,
        swap_values,
        rewire,
        call_often,
        call_in_training,
        shuffle_layers,
        repeat_layer,
        nest_models,
        resize_input,
        grow,
        normalize_widely,
        widen,
        odd_training,
    )
)
