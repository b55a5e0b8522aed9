"""Functions of TensorFlow in a graph of tf.keras, as the operations of Keras 3 that do the same.

Keras 2 wrote arithmetic on tensors down as layers of class `TFOpLambda` or `SlicingOpLambda`, which
name a function and hold its arguments: `x / 127.5` is one that calls `math.truediv`.
"""

from typing import Any

from kextract.storage.archive.values import Json
from kextract.storage.refusal import Refused, printable

CLASSES = frozenset({"TFOpLambda", "SlicingOpLambda"})
_NUMPY, _NN = "keras.src.ops.numpy", "keras.src.ops.nn"
_ELEMENTWISE = {
    "__operators__.add": (_NUMPY, "Add"),
    "exp": (_NUMPY, "Exp"),
    "math.add": (_NUMPY, "Add"),
    "math.subtract": (_NUMPY, "Subtract"),
    "math.multiply": (_NUMPY, "Multiply"),
    "math.truediv": (_NUMPY, "TrueDivide"),
    "math.divide": (_NUMPY, "TrueDivide"),
    "math.maximum": (_NUMPY, "Maximum"),
    "math.minimum": (_NUMPY, "Minimum"),
    "math.pow": (_NUMPY, "Power"),
    "math.abs": (_NUMPY, "Absolute"),
    "math.exp": (_NUMPY, "Exp"),
    "math.log": (_NUMPY, "Log"),
    "math.negative": (_NUMPY, "Negative"),
    "math.sqrt": (_NUMPY, "Sqrt"),
    "math.square": (_NUMPY, "Square"),
    "math.tanh": (_NUMPY, "Tanh"),
    "nn.bias_add": (_NUMPY, "Add"),
    "nn.relu": (_NN, "Relu"),
    "nn.relu6": (_NN, "Relu6"),
    "nn.silu": (_NN, "Silu"),
    "nn.swish": (_NN, "Silu"),
    "math.sigmoid": (_NN, "Sigmoid"),
    "nn.sigmoid": (_NN, "Sigmoid"),
}
"""Functions of one tensor, or of two that may be numbers."""
_SECOND = ("y", "bias")
_AXIS: dict[str, tuple[str, Any]] = {"axis": ("axis", None)}
_REDUCED = _AXIS | {"keepdims": ("keepdims", False)}
_WITH_OPTIONS: dict[str, tuple[str, str, dict[str, tuple[str, Any]]]] = {
    "math.reduce_mean": (_NUMPY, "Mean", _REDUCED),
    "math.reduce_max": (_NUMPY, "Max", _REDUCED),
    "math.reduce_min": (_NUMPY, "Min", _REDUCED),
    "math.reduce_sum": (_NUMPY, "Sum", _REDUCED),
    "concat": (_NUMPY, "Concatenate", _AXIS),
    "stack": (_NUMPY, "Stack", {"axis": ("axis", 0)}),
    "expand_dims": (_NUMPY, "ExpandDims", _AXIS),
    "squeeze": (_NUMPY, "Squeeze", _AXIS),
    "compat.v1.squeeze": (_NUMPY, "Squeeze", _AXIS),
    "reshape": (_NUMPY, "Reshape", {"shape": ("newshape", None)}),
    "transpose": (_NUMPY, "Transpose", {"perm": ("axes", None)}),
    "compat.v1.transpose": (_NUMPY, "Transpose", {"perm": ("axes", None)}),
    "clip_by_value": (
        *(_NUMPY, "Clip"),
        {"clip_value_min": ("x_min", None), "clip_value_max": ("x_max", None)},
    ),
    "nn.softmax": (_NN, "Softmax", {"axis": ("axis", -1)}),
    "nn.log_softmax": (_NN, "LogSoftmax", {"axis": ("axis", -1)}),
    "nn.leaky_relu": (_NN, "LeakyRelu", {"alpha": ("negative_slope", 0.2)}),
    "nn.elu": (_NN, "Elu", {}),
    "nn.gelu": (_NN, "Gelu", {"approximate": ("approximate", False)}),
}
"""Functions whose options are those of the operation: by name, with what Keras calls it and the
value that TensorFlow takes where none is given."""
_UNTOUCHED = {"data_format": "NHWC", "conjugate": False, "axis": None}
"""Arguments that change nothing where they have these values."""
_SAME = frozenset({"cast", "convert_to_tensor", "identity", "stop_gradient"})


def operation(name: object, function: str, calls: list[Json]) -> Json:
    """Describe the operation that a layer `name` stands for; `calls` are in the form of Keras 3.

    Raises Refused for functions, and for uses of them, that are not read.
    """
    where = f"layer '{printable(str(name))}'"
    if function in _SAME:
        calls = [{**call, "kwargs": {}} for call in calls]
        return _described("keras.layers", "Identity", {"name": name}, calls)
    if function == "__operators__.getitem":
        sliced = [_sliced(call, where) for call in calls]
        return _described(_NUMPY, "GetItem", {"name": name}, sliced)
    if function in _ELEMENTWISE:
        module, kind = _ELEMENTWISE[function]
        calls = [_of_two(call, where, function) for call in calls]
        return _described(module, kind, {"name": name}, calls)
    if function not in _WITH_OPTIONS or len(calls) != 1:
        raise Refused(
            f"{where} calls 'tf.{printable(function)}', which is not read: put a layer of Keras in"
            " its place and save the model again"
        )
    module, kind, options = _WITH_OPTIONS[function]
    given = dict(calls[0]["kwargs"])
    config = {
        new: value if (value := given.pop(old, None)) is not None else default
        for old, (new, default) in options.items()
    }
    _check_untouched(given, where, function)
    call = {"args": calls[0]["args"], "kwargs": {}}
    return _described(module, kind, {"name": name, **config}, [call])


def _described(module: str, kind: str, config: Json, calls: list[Json]) -> Json:
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
