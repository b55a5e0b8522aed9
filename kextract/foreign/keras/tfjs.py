"""Layers models of TensorFlow.js: a `model.json`, with the weights in other files of its folder.

The description is one of Keras 2, by Keras or by TensorFlow.js. Weights are rows of bytes one
after the other, cut into shards; where they were quantized, each number q stands for
`q * scale + min`. Only regular files of the folder are read, and only where all of them have
exactly as many bytes as the shapes need.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.keras.description import Json, parse, usual_form
from kextract.foreign.keras.tensors import last_names, of_layer
from kextract.foreign.keras.upgrading import upgrade
from kextract.hdf5.safe_hdf5 import MAX_FILE_BYTES, OpenFile
from kextract.hdf5.weights import variables_by_path
from kextract.text import printable

if TYPE_CHECKING:
    import keras

ENDING = ".json"
MAX_JSON_BYTES = 16 << 20
MAX_TENSORS = 20_000
MAX_SHARDS = 4_096
MAX_RANK = 8

_DTYPES = {"float32": "<f4", "float16": "<f2", "uint8": "u1", "uint16": "<u2", "int32": "<i4"}
_GRAPH = (
    "is a graph model of TensorFlow.js, of which the layers are gone: give the Keras model that it"
    " was made of, or the 'layers-model' that tensorflowjs_converter makes of that"
)
_OLD = "2"


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the file says of a tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    least: float

    @property
    def size(self) -> int:
        """Bytes in the shards."""
        return math.prod(self.shape) * self.dtype.itemsize

    def decoded(self, data: bytes, at: int) -> NDArray[Any]:
        """Give the float32 numbers that begin at a place of a group of shards."""
        numbers = np.frombuffer(data, self.dtype, math.prod(self.shape), at).reshape(self.shape)
        with np.errstate(over="ignore"):
            return (numbers.astype(np.float64) * self.scale + self.least).astype(np.float32)


def read_tfjs(file: OpenFile) -> tuple[str, Json, "TensorsOfShards"]:
    """Read a description: the version of Keras that wrote it, the model as Keras 3 has it.

    Nothing of the shards is read yet. Raises Refused.
    """
    if file.size > MAX_JSON_BYTES:
        raise Refused(f"has {file.size} bytes; at most {MAX_JSON_BYTES} are read")
    file.raw.seek(0)
    found = parse(file.raw.read())
    topology, manifest = found.get("modelTopology"), found.get("weightsManifest")
    if not isinstance(topology, dict) or not isinstance(manifest, list):
        raise Refused("is not a model of TensorFlow.js: it has no modelTopology or weightsManifest")
    if found.get("format") == "graph-model" or "node" in topology:
        raise Refused(_GRAPH)
    model = topology.get("model_config", topology)
    version = str(topology.get("keras_version", _OLD))
    # TensorFlow.js puts its own version there, and writes as Keras 2 does.
    return (
        version,
        upgrade(model, version if version[:1].isdigit() else _OLD),
        TensorsOfShards(file.path.parent, manifest),
    )


class TensorsOfShards:
    """The weights of a model of TensorFlow.js, found by the names of layer and weight."""

    @usual_form()
    def __init__(self, folder: Path, manifest: list[Json]) -> None:
        self._folder = folder.resolve()
        self._groups = [
            (entry["paths"], [_stored(weight) for weight in entry["weights"]])
            for entry in manifest[:MAX_SHARDS]
        ]
        stored = [tensor for _, tensors in self._groups for tensor in tensors]
        shards = [shard for names, _ in self._groups for shard in names]
        if len(stored) > MAX_TENSORS or max(len(shards), len(manifest)) > MAX_SHARDS:
            raise Refused(f"has more than {MAX_TENSORS} tensors or {MAX_SHARDS} shards")
        for what, names in (("tensor", [tensor.name for tensor in stored]), ("shard", shards)):
            if len(set(names)) != len(names):
                raise Refused(f"has a {what} twice")
        if sum(tensor.size for tensor in stored) > MAX_FILE_BYTES:
            raise Refused(f"has more than {MAX_FILE_BYTES} bytes of weights")
        self.count = len(stored)
        # As the reader counts: by float32.
        self.size = sum(4 * math.prod(tensor.shape) for tensor in stored)

    def read(self, model: "keras.Model") -> dict[str, NDArray[Any]]:
        """Read exactly the model's tensors, by path in a weights file. Raises Refused."""
        variables = variables_by_path(model)
        wanted = {place: variable.path for place, variable in variables.items()}
        stored = dict(self._tensors())
        found = {}
        for place, name in _matched(wanted, list(stored)).items():
            value, shape = stored[name], tuple(variables[place].shape)
            if value.shape != shape:
                raise Refused(f"'{printable(name)}' has shape {value.shape}, expected {shape}")
            if not np.isfinite(value).all():
                raise Refused(f"'{printable(name)}' holds a NaN or an infinity")
            found[place] = value.astype(variables[place].dtype)
        return found

    def _tensors(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for names, tensors in self._groups:
            data, at = self._read(names, sum(tensor.size for tensor in tensors)), 0
            for tensor in tensors:
                yield tensor.name, tensor.decoded(data, at)
                at += tensor.size

    def _read(self, names: list[str], expected: int) -> bytes:
        """Read shards one after the other, once their sizes are known to be right."""
        shards = [self._shard(name) for name in names]
        size = sum(shard.stat().st_size for shard in shards)
        if size != expected:
            shown = f"'{printable(names[0])}'" if len(names) == 1 else f"{len(names)} shards"
            raise Refused(f"has {size} bytes in {shown}; its tensors need {expected}")
        data = b"".join(shard.read_bytes() for shard in shards)
        if len(data) != expected:
            raise Refused("has shards that change while they are read")
        return data

    def _shard(self, name: str) -> Path:
        try:
            shard = (self._folder / name).resolve()
            if shard.is_relative_to(self._folder) and shard.is_file():
                return shard
        except (OSError, ValueError):
            pass
        raise Refused(f"names the shard '{printable(name)}', which is not in its folder")


def _stored(weight: Json) -> _Stored:
    name, shape = weight["name"], weight["shape"]
    where = f"'{printable(name)}'"
    if len(shape) > MAX_RANK or not all(
        type(size) is int and 0 <= size <= MAX_FILE_BYTES for size in shape
    ):
        raise Refused(f"{where} has a shape that is not a few whole numbers")
    dtype, scale, least = weight["dtype"], 1.0, 0.0
    quantization = weight.get("quantization")
    if quantization is not None:
        dtype = quantization["dtype"]
        if dtype != "float16":
            scale, least = (_number(quantization.get(key), where) for key in ("scale", "min"))
    if dtype not in _DTYPES:
        raise Refused(f"{where} is not of {', '.join(_DTYPES)}")
    return _Stored(name, tuple(shape), np.dtype(_DTYPES[dtype]), scale, least)


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Refused(f"{where} is quantized by something that is not a number")
    return float(value)


def _matched(wanted: dict[str, str], names: list[str]) -> dict[str, str]:
    """Find the tensor of each variable, by place. Raises Refused.

    Keras 2 had neither all scopes nor all names of today: where no whole path fits, layer and
    weight tell, also where the layer's own name has slashes.
    """
    found: dict[str, str] = {}
    for of_path, of_name in _SPELLINGS:
        left = set(names) - set(found.values())
        stored = _by_key((of_name(name), name) for name in left)
        places = _by_key(
            (of_path(path), place) for place, path in wanted.items() if place not in found
        )
        for key in places.keys() & stored.keys():
            if len(places[key]) == len(stored[key]) == 1:
                found[places[key][0]] = stored[key][0]
    if missing := sorted(wanted[place] for place in wanted.keys() - found.keys()):
        raise Refused(f"lacks a tensor for '{printable(missing[0])}', or has several")
    if unused := set(names) - set(found.values()):
        raise Refused(f"has a tensor '{printable(min(unused))}' that belongs to none of its layers")
    return found


def _by_key(items: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, item in items:
        groups.setdefault(key, []).append(item)
    return groups


def _layer_and_weight(path: str) -> str:
    return last_names(path, 2)


_SPELLINGS: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (str, str),
    (_layer_and_weight, _layer_and_weight),
    (_layer_and_weight, of_layer),
    # Some layers' weights had no name in front.
    (lambda path: last_names(path, 1), str),
)
"""What of a variable's path has to be what of a tensor's name."""
