"""The values in a layer's description: what each may be, copied."""

import re
from collections.abc import Iterator
from typing import Any

from kextract.storage.archive import allowed
from kextract.storage.refusal import Refused, printable

MAX_NUMBER = 1 << 20
"""Largest whole number in a layer's description, such as a width; a seed may be larger."""
MAX_CONSTANTS = 1_000
"""The most numbers that arithmetic may be done with, such as a mean per channel."""
_MAX_TEXT = 512

Json = dict[str, Any]

_UNSAFE = re.compile(r"[^A-Za-z0-9_.\\>-]")
# Keras quantizes and adapts layers by these; in a plain model they are absent or null.
_NEVER_SET = ("quantization_config", "lora_rank")


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


def constant(kind: str, config: Any, where: str) -> Json:
    """Copy a number per channel, or a place in a tensor, that arithmetic is done with."""
    what = f"{where}: a constant"
    if not isinstance(config, dict):
        raise Refused(f"{what} has no description")
    if kind == "__ellipsis__":
        return {"class_name": kind, "config": {}}
    if kind == "__slice__":
        ends = {key: plain(config.get(key), what) for key in ("start", "stop", "step")}
        if not all(end is None or type(end) is int for end in ends.values()):
            raise Refused(f"{what} is a slice of something else than whole numbers")
        return {"class_name": kind, "config": ends}
    value = plain(config.get("value"), what)
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


def is_one_of(value: Any, names: frozenset[str]) -> bool:
    """Tell whether a value, of whatever type, is one of these names."""
    return isinstance(value, str) and value in names


def _check_policy(value: Any, where: str) -> None:
    name = value
    if isinstance(value, dict):
        if (value.get("module"), value.get("class_name")) != ("keras", "DTypePolicy"):
            raise Refused(f"{where} has the dtype policy '{shown(value)}', which is not read")
        config = value.get("config")
        name = config.get("name") if isinstance(config, dict) else None
    if name is not None and not is_one_of(name, allowed.POLICIES):
        known = ", ".join(sorted(allowed.POLICIES))
        raise Refused(f"{where} has the dtype policy '{shown(name)}'; read are {known}")


def _check_helper(value: Any, names: frozenset[str], what: str) -> None:
    """Check an initializer, a regularizer or a constraint: nothing, a name, or an object."""
    if value is None:
        return
    if isinstance(value, str):
        good = _letters(value) in {_letters(name) for name in names}
    elif isinstance(value, dict):
        module, name = value.get("module"), value.get("class_name")
        good = (
            is_one_of(module, allowed.HELPER_MODULES)
            and is_one_of(name, names)
            and value.get("registered_name") in (None, name)
        )
    else:
        good = False
    if not good:
        raise Refused(f"{what} is '{shown(value)}', which is not one of Keras's own")


def _letters(name: str) -> str:
    """Bring `glorot_uniform` and `GlorotUniform` to one form."""
    return name.replace("_", "").lower()


def _regularizer(value: Any, what: str) -> Any:
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    if not isinstance(config, dict):
        raise Refused(f"{what} has no description")
    fields = {key: plain(item, what) for key, item in config.items()}
    return keras_object("keras.regularizers", value["class_name"], fields)


def _activation(value: Any, where: str) -> Any:
    if value is None or is_one_of(value, allowed.ACTIVATIONS):
        return value
    if isinstance(value, dict):
        name, config = value.get("class_name"), value.get("config")
        known = value.get("module") == "keras.layers" and is_one_of(name, allowed.ACTIVATION_LAYERS)
        if known and value.get("registered_name") is None and isinstance(config, dict):
            fields = layer_config(config, where)
            return keras_object("keras.layers", str(name), fields)
    raise Refused(f"{where} has the activation '{shown(value)}', which is not Keras's own")
