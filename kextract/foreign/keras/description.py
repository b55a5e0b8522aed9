"""Descriptions of networks: untrusted JSON, made into JSON that Keras may see.

Nothing is passed on as it is. What is known is copied into a new description; what only training
needs (how weights began, constraints, optimizers) is checked and left out.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kextract.errors import Refused
from kextract.foreign.keras import allowed
from kextract.text import printable

MAX_DEPTH = 64
MAX_BRACKETS = 200_000
"""How many objects and lists a description may have: each takes far more memory than bytes."""
MAX_LAYERS = 1_500
MAX_NESTING = 8

_RUNS_CODE = (
    "it runs code from the file; put a layer such as Rescaling in its place,"
    " new.set_weights(old.get_weights()), and save new"
)
_NOT_OURS = (
    "only Keras's own layers for images are; build the network of those,"
    " new.set_weights(old.get_weights()), and save new"
)

# Layers that see pixels rather than features, or whose rounding shows in the answer.
_EXACT = frozenset(
    {"InputLayer", "Identity", "Softmax", "Rescaling", "Normalization", "Resizing", "CenterCrop"}
)

MAX_NUMBER = 1 << 20
"""Largest whole number in a layer's description, such as a width; a seed may be larger."""
MAX_CONSTANTS = 1_000
"""The most numbers that arithmetic may be done with, such as a mean per channel."""
_MAX_TEXT = 512
Json = dict[str, Any]
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\\>-]")
# Keras quantizes and adapts layers by these; in a plain model they are absent or null.
_NEVER_SET = ("quantization_config", "lora_rank")


def parse(data: bytes) -> Json:
    """Read a JSON object. Raises Refused for anything else, or one that is too deep or odd."""
    if data.count(b"{") + data.count(b"[") > MAX_BRACKETS:
        raise Refused(f"its description has more than {MAX_BRACKETS} objects and lists")
    try:
        value = json.loads(data, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise Refused("its description is not JSON that is read here") from None
    _check_plain(value, 0)
    if not isinstance(value, dict):
        raise Refused("its description is not a JSON object")
    return value


@contextmanager
def usual_form() -> Iterator[None]:
    """Refuse a description in which something is missing, or is not of the type that it should be.

    What depends on it may then take for granted that objects are objects, and have what they need.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refused("its description does not have the form that Keras gives one") from error


@usual_form()
def clean_model(model: Any) -> Json:
    """Give the description of a model that Keras may build: layers of `allowed` and nothing else.

    Every layer computes in float32. Raises Refused, naming the layer and its class.
    """
    cleaned = _Cleaner().model(model, 0)
    for key in ("input_layers", "output_layers"):
        if key in cleaned["config"]:
            cleaned["config"][key] = only_end(cleaned["config"][key])
    return cleaned


def set_policy(model: Json, policy: str) -> None:
    """Make the layers of a cleaned description compute by a dtype policy, where it does no harm."""
    for layer in model["config"]["layers"]:
        name = layer["class_name"]
        if name in allowed.MODELS:
            set_policy(layer, policy)
        elif name in allowed.LAYERS - _EXACT and layer["module"] == "keras.layers":
            layer["config"]["dtype"] = policy


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _check_plain(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Refused(f"its description is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for item in value.values():
            _check_plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Refused("its description holds a number that is not finite")


class _Cleaner:
    def __init__(self) -> None:
        self._layers = 0

    def model(self, value: Json, nesting: int) -> Json:
        name, config = _class_of(value, "the model"), value["config"]
        if name not in allowed.MODELS:
            raise Refused(f"holds a '{printable(name)}'; read are Sequential and functional models")
        if nesting > MAX_NESTING:
            raise Refused(f"holds models inside models more than {MAX_NESTING} levels deep")
        layers = config["layers"]
        if not layers:
            raise Refused(f"the {name} '{_name_of(config)}' has no layers")
        self._layers += len(layers)
        if self._layers > MAX_LAYERS:
            raise Refused(f"has more than {MAX_LAYERS} layers")
        graph = name == "Functional"
        cleaned: Json = {
            "name": safe_name(_name_of(config)),
            "trainable": config.get("trainable") is not False,
            "layers": [self._layer(layer, nesting, graph) for layer in layers],
        }
        names = {layer["name"] for layer in cleaned["layers"]}
        if len(names) != len(layers):
            raise Refused(f"the {name} '{_name_of(config)}' has two layers of the same name")
        if graph:
            cleaned["input_layers"] = _renamed(config["input_layers"])
            cleaned["output_layers"] = _renamed(config["output_layers"])
            module = "keras.src.models.functional"
        else:
            module = "keras"
        return keras_object(module, name, cleaned)

    def _layer(self, value: Json, nesting: int, graph: bool) -> Json:
        config = value["config"]
        where = f"layer '{_name_of(config)}'"
        name = _class_of(value, where)
        if name in allowed.MODELS:
            cleaned = self.model(value, nesting + 1)
        elif name == "InputLayer":
            cleaned = _input(config, where)
        elif value.get("module") in allowed.OPERATIONS:
            cleaned = keras_object(value["module"], name, _operation(config, where))
        else:
            config = layer_config(config, where)
            if name in allowed.RANDOM_LAYERS:
                # A teacher is not random; some layers are, unless they are switched off.
                name, config = "Identity", {"name": config["name"], "dtype": "float32"}
            cleaned = keras_object("keras.layers", name, config)
        cleaned["name"] = cleaned["config"]["name"] = safe_name(_name_of(value["config"]))
        if graph:
            nodes = value["inbound_nodes"]
            if name == "Identity":
                # A layer that does nothing has options, such as that it is used in training.
                nodes = [{**node, "kwargs": {}} for node in nodes]
            constants = cleaned["module"] in allowed.OPERATIONS
            cleaned["inbound_nodes"] = _nodes(nodes, where, constants=constants)
        return cleaned


def _class_of(value: Json, where: str) -> str:
    """Give the class of a layer or model that is allowed. Raises Refused for any other."""
    module, name, registered = (
        value.get(key) for key in ("module", "class_name", "registered_name")
    )
    if (module, name) == allowed.OWN:
        return str(name)
    if not allowed.is_allowed(module, name) or registered not in (None, name):
        own = registered if allowed.is_allowed(module, name) or not module else None
        origin = own or (f"{module}.{name}" if module else name)
        hint = _RUNS_CODE if name == "Lambda" else _NOT_OURS
        raise Refused(f"{where} is of class '{printable(str(origin))}', which is not read: {hint}")
    return str(name)


def _name_of(config: Json) -> str:
    name = config.get("name")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 128:
        raise Refused("a layer has no name, or one that is not printable")
    return name


def _input(config: Json, where: str) -> Json:
    shape = config["batch_shape"]
    if not 1 <= len(shape) <= 8:
        raise Refused(f"{where} has an input of an unusual number of axes")
    if config.get("sparse") or config.get("ragged") or config.get("optional"):
        raise Refused(f"{where} takes sparse, ragged or optional tensors")
    for size in shape[1:]:
        if size is not None and (type(size) is not int or not 0 < size <= MAX_NUMBER):
            raise Refused(f"{where} declares an input of an impossible size")
    # Pixels come as floats, and as many at once as there are.
    fields = {"name": _name_of(config), "batch_shape": [None, *shape[1:]], "dtype": "float32"}
    return keras_object("keras.layers", "InputLayer", fields)


def _operation(config: Json, where: str) -> Json:
    return {
        key: plain(item, f"{where}: '{printable(key)}'")
        for key, item in config.items()
        if key != "dtype"
    }


def _nodes(value: list[Json], where: str, *, constants: bool) -> list[Json]:
    """Copy the calls of a layer: its tensors by layer, plain arguments, `constants` if allowed."""
    nodes = []
    for node in value:
        kwargs = node["kwargs"]
        if kwargs.get("training") not in (None, False):
            raise Refused(f"{where} is called with training=True")
        nodes.append(
            {
                "args": [_argument(item, where, constants) for item in node["args"]],
                # Keras writes the masks and modes that there are not; nothing needs them.
                "kwargs": {
                    str(key): _argument(item, where, constants)
                    for key, item in kwargs.items()
                    if item is not None
                },
            }
        )
    return nodes


def _argument(value: Any, where: str, constants: bool) -> Any:
    if isinstance(value, list):
        return [_argument(item, where, constants) for item in value]
    if not isinstance(value, dict):
        return plain(value, f"{where}: an argument")
    kind, config = value["class_name"], value["config"]
    if constants and kind in ("__ellipsis__", "__slice__", "__tensor__", "__numpy__"):
        return constant(kind, config, where)
    source = config["keras_history"] if kind == "__keras_tensor__" else None
    if not is_reference(source):
        raise Refused(f"{where} is applied to a '{shown(value)}', which is not read")
    # The shape is found out by building; what the file says of it does not matter.
    tensor = {"shape": [None], "dtype": "float32", "keras_history": _renamed(source)}
    return {"class_name": "__keras_tensor__", "config": tensor}


def _renamed(value: Any) -> Any:
    """Copy references to layers as `safe_name` spells them, in whatever they are grouped."""
    if is_reference(value):
        return [safe_name(value[0]), *value[1:]]
    if isinstance(value, dict):
        return {key: _renamed(item) for key, item in value.items()}
    return [_renamed(item) for item in value] if isinstance(value, list) else value


def is_reference(value: Any) -> bool:
    """Tell whether this is what a layer made: its name, which of its calls, which tensor."""
    kinds = (str, int, int)
    return isinstance(value, list) and [type(item) for item in value] == list(kinds)


def layer_config(config: Json, where: str) -> Json:
    """Copy the description of the layer `where`, to compute in float32. Raises Refused."""
    cleaned: Json = {}
    for key, value in config.items():
        what = f"{where}: '{printable(key)}'"
        if key == "dtype":
            _check_policy(value, where)
        elif key.endswith("_initializer"):
            _check_helper(value, allowed.INITIALIZERS, what)
            # Weights come from the file; zeros cost nothing to make.
            cleaned[key] = None if value is None else "zeros"
        elif key.endswith("_constraint"):
            _check_helper(value, allowed.CONSTRAINTS, what)
        elif key.endswith("_regularizer"):
            _check_helper(value, allowed.REGULARIZERS, what)
            # A penalty on activations would be one on the images at hand.
            cleaned[key] = None if key.startswith("activity") else _regularizer(value, what)
        elif key == "activation":
            cleaned[key] = _activation(value, where)
        elif key in _NEVER_SET:
            if value is not None:
                raise Refused(f"{where} is quantized or adapted ('{key}'), which is not read")
        else:
            cleaned[key] = plain(value, what)
    cleaned["dtype"] = "float32"
    return cleaned


def plain(value: Any, what: str) -> Any:
    """Copy a number, a short text, a flag, nothing, or lists of them. Raises Refused."""
    if isinstance(value, list):
        return [plain(item, what) for item in value]
    if isinstance(value, str) and (len(value) > _MAX_TEXT or not value.isprintable()):
        raise Refused(f"{what} is a long or unprintable text")
    if type(value) is int and abs(value) > MAX_NUMBER and not what.endswith("'seed'"):
        raise Refused(f"{what} is {shown(value)}; at most {MAX_NUMBER} is read")
    if value is None or isinstance(value, str | int | float):
        return value
    raise Refused(f"{what} is a '{shown(value)}', which is not read")


def constant(kind: str, config: Json, where: str) -> Json:
    """Copy a number per channel, or a place in a tensor, that arithmetic is done with."""
    what = f"{where}: a constant"
    if kind == "__ellipsis__":
        return {"class_name": kind, "config": {}}
    if kind == "__slice__":
        ends = {key: plain(config.get(key), what) for key in ("start", "stop", "step")}
        if not all(end is None or type(end) is int for end in ends.values()):
            raise Refused(f"{what} is a slice of something else than whole numbers")
        return {"class_name": kind, "config": ends}
    value = plain(config["value"], what)
    numbers = list(_flat(value))
    if len(numbers) > MAX_CONSTANTS or not all(type(item) in (int, float) for item in numbers):
        raise Refused(f"{what} is not of at most {MAX_CONSTANTS} numbers")
    return {"class_name": kind, "config": {"value": value, "dtype": "float32"}}


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def safe_name(name: str) -> str:
    """Spell a layer's name so that Keras 3 and TensorFlow take it: `conv1/bn` becomes `conv1>bn`.

    Keras 3 refuses slashes, and TensorFlow takes letters of ASCII, digits and `_.\\->` for the
    operations of a layer. Names that are taken stay as they are; others remain different ones.
    """
    spelled = _UNSAFE.sub(lambda found: _escaped(found[0]), name)
    return spelled if spelled[:1] not in ("", *"_-\\>") else f".{spelled}"


def _escaped(letter: str) -> str:
    return ">" if letter == "/" else f">{ord(letter):x}>"


def keras_object(module: str, name: str, config: Json) -> Json:
    """Describe an object of Keras as its archives do."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def only_end(ends: Any) -> Any:
    """Take the one input or output of a model out of a list or a dictionary of it."""
    while isinstance(ends, list | dict) and len(ends) == 1:
        (ends,) = ends.values() if isinstance(ends, dict) else ends
    return ends


def shown(value: Any) -> str:
    """Say what a part of a description is, in few words."""
    if isinstance(value, dict):
        value = value.get("registered_name") or value.get("class_name") or "JSON object"
    return printable(str(value))


def _check_policy(value: Any, where: str) -> None:
    name = value
    if isinstance(value, dict):
        if (value.get("module"), value.get("class_name")) != ("keras", "DTypePolicy"):
            raise Refused(f"{where} has the dtype policy '{shown(value)}', which is not read")
        name = value["config"]["name"]
    if name is not None and name not in allowed.POLICIES:
        known = ", ".join(sorted(allowed.POLICIES))
        raise Refused(f"{where} has the dtype policy '{shown(name)}'; read are {known}")


def _check_helper(value: Any, names: frozenset[str], what: str) -> None:
    """Check an initializer, a regularizer or a constraint: nothing, a name, or an object."""
    if value is None:
        return
    if isinstance(value, str):
        good = _letters(value) in {_letters(name) for name in names}
    else:
        name = value["class_name"]
        good = (
            value["module"] in allowed.HELPER_MODULES
            and name in names
            and value.get("registered_name") in (None, name)
        )
    if not good:
        raise Refused(f"{what} is '{shown(value)}', which is not one of Keras's own")


def _letters(name: str) -> str:
    """Bring `glorot_uniform` and `GlorotUniform` to one form."""
    return name.replace("_", "").lower()


def _regularizer(value: Any, what: str) -> Any:
    if not isinstance(value, dict):
        return value
    fields = {key: plain(item, what) for key, item in value["config"].items()}
    return keras_object("keras.regularizers", value["class_name"], fields)


def _activation(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        name = value["class_name"]
        known = value.get("module") == "keras.layers" and name in allowed.ACTIVATION_LAYERS
        if known and value.get("registered_name") is None:
            return keras_object("keras.layers", name, layer_config(value["config"], where))
    elif value is None or value in allowed.ACTIVATIONS:
        return value
    raise Refused(f"{where} has the activation '{shown(value)}', which is not Keras's own")
