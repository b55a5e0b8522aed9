"""Descriptions of models by Keras 2.0 (2017) to 3, in the form of Keras 3's `.keras` files.

Nothing is trusted or refused here that `description.clean_model` looks at afterwards: classes get
the module that they have today, options that are gone are left out, calls get the form of Keras 3.

Keras 2 wrote arithmetic on tensors down as layers of class `TFOpLambda` or `SlicingOpLambda`, which
name a function of TensorFlow and hold its arguments: `x / 127.5` is one that calls `math.truediv`.
They become the operations of Keras 3 that do the same.
"""

from collections.abc import Iterable
from typing import Any

from kextract.errors import Refused
from kextract.foreign.keras import allowed
from kextract.foreign.keras.description import Json, is_reference, only_end, usual_form
from kextract.text import printable

_RENAMED = {
    "Model": "Functional",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
_OPTIONS = {"alpha": {"LeakyReLU": "negative_slope"}, "theta": {"ThresholdedReLU": "threshold"}}
"""Options that have another name now, by old name and class."""
_ACTIVATIONS = {"softmax_v2": "softmax", "relu_v2": "relu"}
"""What functions of `tf.nn` call themselves."""

# Where a class was, and how it was built.
_PLACE = frozenset({"module", "registered_name", "build_config"})
# How a layer was built and trained; the weights are in the file.
_TRAINING = ("_regularizer", "_constraint")
_GONE = frozenset(
    (
        *("adjustment", "autocast", "batch_input_shape", "build_input_shape", "dynamic", "fused"),
        *("implementation", "input_dim", "input_dtype", "input_length", "input_shape", "mode"),
        *("key_shape", "query_shape", "value_shape"),
        *("ragged", "rank", "renorm", "renorm_clipping", "renorm_momentum", "synchronized"),
        "virtual_batch_size",
    )
)
# Taken over from `Conv2D`, and never used.
_UNUSED = {
    "Conv2DTranspose": ("groups",),
    "DepthwiseConv2D": ("kernel_initializer", "groups"),
    "SeparableConv2D": ("kernel_initializer", "groups"),
}

_CALLS = frozenset({"TFOpLambda", "SlicingOpLambda"})
_ELEMENTWISE = {
    function: operation
    for operation, functions in {
        "Absolute": "math.abs",
        "Add": "__operators__.add math.add nn.bias_add",
        "Exp": "exp math.exp",
        "Log": "math.log",
        "Maximum": "math.maximum",
        "Minimum": "math.minimum",
        "Multiply": "math.multiply",
        "Negative": "math.negative",
        "Power": "math.pow",
        "Relu": "nn.relu",
        "Relu6": "nn.relu6",
        "Sigmoid": "math.sigmoid nn.sigmoid",
        "Silu": "nn.silu nn.swish",
        "Sqrt": "math.sqrt",
        "Square": "math.square",
        "Subtract": "math.subtract",
        "Tanh": "math.tanh",
        "TrueDivide": "math.truediv math.divide",
    }.items()
    for function in functions.split()
}
"""Functions of one tensor, or of two that may be numbers, and the operation that each is today."""
_SECOND = ("y", "bias")
_AXIS: dict[str, tuple[str, Any]] = {"axis": ("axis", None)}
_REDUCED = _AXIS | {"keepdims": ("keepdims", False)}
_WITH_OPTIONS: dict[str, tuple[str, dict[str, tuple[str, Any]]]] = {
    "clip_by_value": (
        "Clip",
        {"clip_value_min": ("x_min", None), "clip_value_max": ("x_max", None)},
    ),
    "compat.v1.squeeze": ("Squeeze", _AXIS),
    "compat.v1.transpose": ("Transpose", {"perm": ("axes", None)}),
    "concat": ("Concatenate", _AXIS),
    "expand_dims": ("ExpandDims", _AXIS),
    "math.reduce_max": ("Max", _REDUCED),
    "math.reduce_mean": ("Mean", _REDUCED),
    "math.reduce_min": ("Min", _REDUCED),
    "math.reduce_sum": ("Sum", _REDUCED),
    "nn.elu": ("Elu", {}),
    "nn.gelu": ("Gelu", {"approximate": ("approximate", False)}),
    "nn.leaky_relu": ("LeakyRelu", {"alpha": ("negative_slope", 0.2)}),
    "nn.log_softmax": ("LogSoftmax", {"axis": ("axis", -1)}),
    "nn.softmax": ("Softmax", {"axis": ("axis", -1)}),
    "reshape": ("Reshape", {"shape": ("newshape", None)}),
    "squeeze": ("Squeeze", _AXIS),
    "stack": ("Stack", {"axis": ("axis", 0)}),
    "transpose": ("Transpose", {"perm": ("axes", None)}),
}
"""Functions whose options are those of the operation: by name, with what Keras calls it and the
value that TensorFlow takes where none is given."""
_UNTOUCHED = {"data_format": "NHWC", "conjugate": False, "axis": None}
"""Arguments that change nothing where they have these values."""
_SAME = frozenset({"cast", "convert_to_tensor", "identity", "stop_gradient"})


@usual_form()
def upgrade(model: Json, keras_version: str) -> Json:
    """Give a model's description in the form of Keras 3. Raises Refused."""
    first = keras_version.partition(".")[0]
    if first == "1":
        raise Refused(
            f"was saved by Keras {printable(keras_version)}; read are files of Keras 2.0 and later"
        )
    return _Upgrade(old=first == "2").model(model)


class _Upgrade:
    def __init__(self, *, old: bool) -> None:
        self._old = old
        """Whether Keras 2 wrote the file: some of its functions have changed since."""

    def model(self, value: Json) -> Json:
        built = (value.get("build_config") or {}).get("input_shape")
        value = self._of_keras(value)
        name = _RENAMED.get(value["class_name"], value["class_name"])
        if name not in allowed.MODELS:
            return value
        config = value["config"]
        if isinstance(config, list):
            # Keras before 2.2.3 wrote a Sequential as nothing but its layers.
            config = {"layers": config}
        config = {"name": value.get("name", "sequential"), **config}
        layers = config["layers"]
        if name == "Sequential":
            layers = _with_input(layers, config.get("build_input_shape") or built)
        layers = [self._layer(layer) for layer in layers]
        if name != "Sequential" and self._old:
            _renumber(layers, config)
            # To Keras 2, a list of one output was that output.
            ends = ("input_layers", "output_layers")
            config |= {key: only_end(config[key]) for key in ends if key in config}
        module = "keras" if name == "Sequential" else "keras.src.models.functional"
        cleaned = {"name", "trainable", "layers", "input_layers", "output_layers"}
        config = {key: item for key, item in config.items() if key in cleaned} | {"layers": layers}
        return {**value, "module": module, "class_name": name, "config": config}

    def _of_keras(self, value: Json) -> Json:
        """Leave out where Keras 2 had a class of its own; `module` then names foreign ones only."""
        own = str(value.get("module")).partition(".")[0] in ("keras", "tf_keras")
        if (
            not self._old
            or not own
            or value.get("registered_name") not in (None, value.get("class_name"))
        ):
            return value
        return {key: item for key, item in value.items() if key not in _PLACE}

    def _layer(self, value: Json) -> Json:
        value = self._of_keras(value)
        if "module" in value:
            return value
        name, config = value["class_name"], value["config"]
        if _RENAMED.get(name, name) in allowed.MODELS:
            cleaned = self.model(value)
        elif name in _CALLS:
            calls = [_node(node) for node in value["inbound_nodes"]]
            return _operation(config["name"], config["function"], calls)
        elif _is_operation(name, config):
            cleaned = {**value, "module": allowed.MODULE_OF[name]}
        else:
            cleaned = {**value, "class_name": _RENAMED.get(name, name)}
            cleaned["config"] = self._options(name, config)
            if cleaned["class_name"] in allowed.LAYERS:
                cleaned["module"] = "keras.layers"
        if value.get("inbound_nodes") is not None:
            cleaned["inbound_nodes"] = [_node(node) for node in value["inbound_nodes"]]
        return cleaned

    def _options(self, name: str, config: Json) -> Json:
        found: Json = {}
        if name == "InputLayer" and "batch_shape" not in config:
            found["batch_shape"] = config.get("batch_input_shape")
        for key, value in config.items():
            key = _OPTIONS.get(key, {}).get(name, key)
            unused = key in _UNUSED.get(name, ())
            if key in _GONE or key.endswith(_TRAINING) or unused:
                continue
            if key.endswith("_initializer"):
                value = None if value is None else "zeros"
            elif key == "activation" and isinstance(value, str):
                value = _ACTIVATIONS.get(value, value)
                self._check_activation(value, config)
            elif key == "activation" and value is not None:
                value = self._layer(value)
            elif key == "dtype":
                value = _policy(value)
            elif name == "BatchNormalization" and key == "axis" and isinstance(value, list):
                value = value[0] if len(value) == 1 else value
            found[key] = value
        return found

    def _check_activation(self, name: str, config: Json) -> None:
        if self._old and name == "hard_sigmoid":
            raise Refused(
                f"layer '{printable(str(config.get('name')))}' uses 'hard_sigmoid', which"
                " is another function since Keras 3: it cannot be read"
            )


def _policy(value: Any) -> Any:
    """Tell a dtype policy as Keras 3 does; those of tf.keras are of class `Policy`."""
    if isinstance(value, dict) and value.get("class_name") in ("Policy", "PolicyV1"):
        return value["config"]["name"]
    return value


def _is_operation(name: str, config: Json) -> bool:
    """Tell arithmetic on tensors from a layer of the same name, as `Add` is both."""
    return name in allowed.MODULE_OF and not {"trainable", "dtype"} & set(config)


def _with_input(layers: list[Json], built: Any) -> list[Json]:
    """Put an input before the layers of a Sequential, where its first layer says which."""
    if not layers or layers[0]["class_name"] == "InputLayer":
        return layers
    shape = _input_shape(layers[0]) or built
    if shape is None:
        return layers
    config = {"name": "input_of_sequential", "batch_input_shape": shape}
    return [{"class_name": "InputLayer", "config": config}, *layers]


def _input_shape(first: Json) -> Any:
    """Find the shape that a layer, or the first layer of a model, was told to expect."""
    config = first["config"]
    if isinstance(config, dict):
        shape = config.get("batch_input_shape") or config.get("batch_shape")
        if shape is not None:
            return shape
        config = config.get("layers")
    return _input_shape(config[0]) if config else None


def _node(value: list[Any] | Json) -> Json:
    """Tell a call of a layer as Keras 3 does: arguments, of which some are tensors."""
    if isinstance(value, dict):
        return value
    sources = [value] if isinstance(value[0], str) else value
    tensors: list[Any] = []
    kwargs: Json = {}
    for layer, node, tensor, *options in sources:
        is_number = (layer, node) == ("_CONSTANT_VALUE", -1)
        tensors.append(tensor if is_number else _tensor([layer, node, tensor]))
        for given in options:
            kwargs |= given
    args = tensors if len(tensors) == 1 else [tensors]
    return {"args": args, "kwargs": {key: _argument(item) for key, item in kwargs.items()}}


def _argument(value: Any) -> Any:
    return _tensor(value) if is_reference(value) else value


def _tensor(history: list[Any]) -> Json:
    config = {"shape": [None], "dtype": "float32", "keras_history": history}
    return {"class_name": "__keras_tensor__", "config": config}


def _renumber(layers: list[Json], config: Json) -> None:
    """Count the calls of models inside a graph from 0, as Keras 3 does.

    Keras 2 counted the making of a model as its first call. Keras 3 still does so for the outputs
    of a functional model.
    """
    sources = list(_histories(layers))
    ends = config["output_layers"]
    outputs = [end for end in (ends, *ends) if isinstance(end, list) and len(end) == 3]
    for layer in layers:
        if layer["class_name"] not in allowed.MODELS:
            continue
        places = sources if layer["class_name"] == "Functional" else [*sources, *outputs]
        uses = [place for place in places if place[0] == layer.get("name")]
        if uses and all(type(place[1]) is int and place[1] > 0 for place in uses):
            for place in uses:
                place[1] -= 1


def _histories(value: Any) -> Iterable[list[Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _histories(item)
    elif isinstance(value, dict):
        history = value.get("keras_history")
        if isinstance(history, list) and len(history) == 3:
            yield history
        for key, item in value.items():
            # The calls inside a model are its own affair.
            if key != "layers":
                yield from _histories(item)


def _operation(name: object, function: str, calls: list[Json]) -> Json:
    """Describe the operation that a layer `name` stands for; `calls` are in the form of Keras 3.

    Raises Refused for functions, and for uses of them, that are not read.
    """
    where = f"layer '{printable(str(name))}'"
    if function in _SAME:
        calls = [{**call, "kwargs": {}} for call in calls]
        return _described("Identity", {"name": name}, calls)
    if function == "__operators__.getitem":
        sliced = [_sliced(call, where) for call in calls]
        return _described("GetItem", {"name": name}, sliced)
    if function in _ELEMENTWISE:
        calls = [_of_two(call, where, function) for call in calls]
        return _described(_ELEMENTWISE[function], {"name": name}, calls)
    if function not in _WITH_OPTIONS or len(calls) != 1:
        raise Refused(
            f"{where} calls 'tf.{printable(function)}', which is not read: put a layer of Keras in"
            " its place and save the model again"
        )
    kind, options = _WITH_OPTIONS[function]
    given = dict(calls[0]["kwargs"])
    config = {
        new: value if (value := given.pop(old, None)) is not None else default
        for old, (new, default) in options.items()
    }
    _check_untouched(given, where, function)
    call = {"args": calls[0]["args"], "kwargs": {}}
    return _described(kind, {"name": name, **config}, [call])


def _described(kind: str, config: Json, calls: list[Json]) -> Json:
    module = allowed.MODULE_OF.get(kind, "keras.layers")
    return {"module": module, "class_name": kind, "config": config, "inbound_nodes": calls}


def _of_two(call: Json, where: str, function: str) -> Json:
    kwargs = dict(call["kwargs"])
    second = [_number(kwargs.pop(key)) for key in _SECOND if key in kwargs]
    _check_untouched(kwargs, where, function)
    return {"args": [*call["args"], *second], "kwargs": {}}


def _number(value: Any) -> Any:
    """Tell a list of numbers, such as a mean per channel, as the array that it is."""
    if not isinstance(value, list):
        return value
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}


def _sliced(call: Json, where: str) -> Json:
    kwargs = dict(call["kwargs"])
    key = kwargs.pop("slice_spec", None)
    _check_untouched(kwargs, where, "__operators__.getitem")
    parts = [_part(part) for part in key] if isinstance(key, list) else _part(key)
    return {"args": [*call["args"], parts], "kwargs": {}}


def _part(value: Any) -> Any:
    if isinstance(value, dict) and "class_name" not in value:
        return {"class_name": "__slice__", "config": value}
    return {"config": {}, **value} if isinstance(value, dict) else value


def _check_untouched(kwargs: Json, where: str, function: str) -> None:
    for key, value in kwargs.items():
        if key != "name" and value is not None and value != _UNTOUCHED.get(key):
            raise Refused(
                f"{where} calls 'tf.{printable(function)}' with '{printable(key)}', which is not"
                " read: put a layer of Keras in its place and save the model again"
            )
