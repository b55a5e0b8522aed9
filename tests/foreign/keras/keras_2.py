"""HDF5 files of whole models as Keras 2.0 of 2017 wrote them, made from those of Keras 3.

It does not run any more; what later ones wrote is in `files/`. What differed from those: a
Sequential was a list of layers, a functional model was a `Model`, weights were named
`layer_1/kernel:0`.
"""

import io
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

VERSION = "2.0.5"


def rewritten(path: Path) -> Path:
    """Rewrite a file of Keras 3 in place."""
    buffer = io.BytesIO(path.read_bytes())
    with h5py.File(buffer, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(old_model(config))
        file.attrs["keras_version"] = VERSION
        _rename_weights(file["model_weights"])
    path.write_bytes(buffer.getvalue())
    return path


def old_model(value: Any) -> Any:
    config = dict(value["config"])
    layers = [_layer(layer) for layer in config["layers"]]
    name = {"Functional": "Model"}.get(value["class_name"], value["class_name"])
    about = {key: value[key] for key in ("name",) if key in value}
    if name == "Sequential":
        first, second, *others = layers
        shape = first["config"]["batch_input_shape"]
        if second["class_name"] not in ("Model", "Sequential"):
            second["config"]["batch_input_shape"] = shape
            layers = [second, *others]
        return {**about, "class_name": name, "config": layers}
    models = [layer["name"] for layer in layers if layer["class_name"] in ("Model", "Sequential")]
    for layer in layers:
        layer["inbound_nodes"] = [_node(node, models) for node in layer["inbound_nodes"]]
    ends = {key: _ends(config[key], models, layers) for key in ("input_layers", "output_layers")}
    config = {"name": config["name"], "layers": layers, **ends}
    return {**about, "class_name": name, "config": config}


def _ends(value: Any, models: list[str], layers: list[Any]) -> Any:
    places = value if isinstance(value[0], list) else [value]
    counted = [layer["name"] for layer in layers if layer["class_name"] == "Sequential"]
    return [[name, node + (name in counted), tensor] for name, node, tensor in places]


def _layer(value: Any) -> Any:
    if value["class_name"] in ("Functional", "Sequential"):
        model = old_model(value)
        return {**model, "inbound_nodes": value.get("inbound_nodes", [])}
    name, config = value["class_name"], dict(value["config"])
    if name == "InputLayer":
        config = {"batch_input_shape": config["batch_shape"], "dtype": "float32", "sparse": False}
        config["name"] = value["config"]["name"]
    for key, item in list(config.items()):
        if key.endswith("_initializer"):
            plain = {"class_name": item["class_name"], "config": item["config"]}
            config[key] = item and plain
        if key.endswith("_regularizer") and item:
            config[key] = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}
    config["dtype"] = "float32"
    config.pop("quantization_config", None)
    if name == "BatchNormalization":
        config["axis"] = [3]
        config |= {"renorm": False, "fused": None}
    if name in ("DepthwiseConv2D", "SeparableConv2D"):
        config |= {"groups": 1, "kernel_initializer": None, "kernel_regularizer": None}
        config["kernel_constraint"] = None
    if name == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    return {**value, "config": config}


def _node(value: Any, models: list[str]) -> Any:
    found: list[Any] = []

    def visit(item: Any) -> None:
        if isinstance(item, list):
            for one in item:
                visit(one)
        elif isinstance(item, dict) and "keras_history" in item["config"]:
            name, node, tensor = item["config"]["keras_history"]
            kwargs = {key: v for key, v in value["kwargs"].items() if v is not None}
            found.append([name, node + (name in models), tensor, kwargs])

    visit(value["args"])
    return found


def _rename_weights(group: Any) -> None:
    """Name each tensor as TensorFlow 1 did: by a scope that is its layer's, and a number."""
    for name in [name for name in group if isinstance(group[name], h5py.Group)]:
        stored = group[name]
        names = [str(item) for item in stored.attrs.get("weight_names", [])]
        values = [stored[item][()] for item in names]
        for item in list(stored):
            del stored[item]
        renamed = [old_name(item) for item in names]
        for item, array in zip(renamed, values, strict=True):
            stored[item] = array
        stored.attrs["weight_names"] = np.array([item.encode() for item in renamed])
    group.attrs["layer_names"] = np.array([str(n).encode() for n in group.attrs["layer_names"]])


def old_name(name: str) -> str:
    *_, layer, weight = ["", *name.split("/")]
    return f"{layer}_1/{weight}:0"
