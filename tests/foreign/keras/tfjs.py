"""Layers models of TensorFlow.js, written of HDF5 files as its converter does."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

JSON = "model.json"
SHARDS = ("group1-shard1of2.bin", "group1-shard2of2.bin")


def converted(source: Path, folder: Path, dtype: str = "float32") -> Path:
    """Write model.json and two shards of a whole model in HDF5, with weights of `dtype`."""
    folder.mkdir(exist_ok=True)
    with h5py.File(source) as file:
        config = file.attrs["model_config"]
        tensors = {name: np.asarray(value) for name, value in _tensors(file["model_weights"])}
        version = _text(file.attrs["keras_version"])
    weights, parts = [], []
    # By name, as the converter of 2019 had them.
    for name, value in sorted(tensors.items()):
        kind = "float32" if value.dtype.kind == "f" else "int32"
        entry: dict[str, Any] = {"name": name, "shape": list(value.shape), "dtype": kind}
        stored, quantization = _quantized(value, dtype)
        if quantization:
            entry["quantization"] = quantization
        weights.append(entry)
        parts.append(stored.tobytes())
    data = b"".join(parts)
    cut = len(data) // 3
    for name, part in zip(SHARDS, (data[:cut], data[cut:]), strict=True):
        (folder / name).write_bytes(part)
    model = {
        "format": "layers-model",
        "generatedBy": f"keras v{version}",
        "convertedBy": "TensorFlow.js Converter v4.22.0",
        "modelTopology": {
            "keras_version": version,
            "backend": "tensorflow",
            "model_config": json.loads(config),
        },
        "weightsManifest": [{"paths": list(SHARDS), "weights": weights}],
    }
    (folder / JSON).write_text(json.dumps(model))
    return folder / JSON


def changed(path: Path, change: Any) -> Path:
    """Change the JSON of a model in place."""
    model = json.loads(path.read_text())
    change(model)
    path.write_text(json.dumps(model))
    return path


def _tensors(group: Any) -> Any:
    for layer in group.attrs["layer_names"]:
        for name in group[layer].attrs["weight_names"]:
            yield _text(name).partition(":")[0], group[layer][name]


def _quantized(value: NDArray[Any], dtype: str) -> tuple[NDArray[Any], dict[str, Any]]:
    if value.dtype.kind != "f":
        return value.astype("<i4"), {}
    if dtype == "float32":
        return value.astype("<f4"), {}
    if dtype == "float16":
        return value.astype("<f2"), {"dtype": "float16", "original_dtype": "float32"}
    least, most = float(value.min()), float(value.max())
    scale = (most - least) / np.iinfo(dtype).max or 1.0
    stored = np.rint((value - least) / scale).astype(dtype)
    return stored, {"dtype": dtype, "min": least, "scale": scale, "original_dtype": "float32"}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
