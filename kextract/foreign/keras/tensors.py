"""The tensors of a whole model, by the way each of the two formats finds them.

A `.keras` file names a tensor by the way to its layer, as all weights files of Keras 3 do. An HDF5
file of a whole model has one group per layer, with a list of the names of its tensors: the layer's
own, or those of all layers of a model inside the model, in an order that depends on which of them
were trained.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.keras.description import safe_name
from kextract.hdf5.safe_hdf5 import CheckedFile
from kextract.hdf5.weights import read_tensors, specs_of, variables_by_path
from kextract.text import printable

if TYPE_CHECKING:
    import keras

GROUP = "model_weights"
"""Where an HDF5 file of a whole model has its tensors."""
_TOP = "top_level_model_weights"
# DepthwiseConv2D has called its kernel both.
_SYNONYMS = {"depthwise_kernel": "kernel"}
_OF_ATTENTION = re.compile("/(query|key|value|output)_dense/")
_KEPT = frozenset({"moving_mean", "moving_variance", "mean", "variance", "count"})
"""Tensors that training does not change, by their last name."""


class Tensors(Protocol):
    """The weights of one file."""

    size: int
    """Bytes that the file has."""
    count: int
    """Tensors that the file has."""

    def read(self, model: "keras.Model") -> dict[str, NDArray[Any]]:
        """Read exactly the model's tensors, by path in a weights file. Raises Refused."""


class TensorsByPath:
    """Those of a `.keras` file."""

    def __init__(self, file: CheckedFile) -> None:
        self._file = file
        self.size, self.count = file.size, len(file.datasets)

    def read(self, model: "keras.Model") -> dict[str, NDArray[Any]]:
        """Read exactly the model's tensors, by path in a weights file. Raises Refused."""
        specs = specs_of(variables_by_path(model))
        places = {self._place(path): path for path in specs}
        stored = {place: specs[path] for place, path in places.items()}
        found = read_tensors(self._file, stored, kinds="fiu")
        return {places[place]: value for place, value in found.items()}

    def _place(self, path: str) -> str:
        """Say where a tensor is: those of attention had other places before Keras 3.1."""
        before = _OF_ATTENTION.sub(r"/_\1_dense/", path)
        return before if before in self._file.datasets else path


class TensorsByLayer:
    """Those of an HDF5 file that holds a whole model."""

    def __init__(self, file: CheckedFile) -> None:
        self._file = file
        self.size = file.size
        self.count = sum(path.startswith(f"{GROUP}/") for path in file.datasets)

    def read(self, model: "keras.Model") -> dict[str, NDArray[Any]]:
        """Read exactly the model's tensors, by path in a weights file. Raises Refused."""
        places = {id(variable): place for place, variable in variables_by_path(model).items()}
        found: dict[str, NDArray[Any]] = {}
        for layer, group, names in self._layers(model):
            for variable, path in _matched(layer, group, names, self._file):
                if places.get(id(variable)) is None:
                    raise Refused(f"has a tensor '{printable(path)}' that is not a weight")
                found[places[id(variable)]] = self._read(path, variable)
        missing = sorted(set(places.values()) - set(found))
        if missing:
            raise Refused(f"lacks '{printable(missing[0])}'")
        return found

    def _layers(self, model: "keras.Model") -> Iterator[tuple[Any, str, list[str]]]:
        """Yield each layer with weights, its group in the file, and its tensors there."""
        groups = self._groups()
        layers = [layer for layer in model.layers if layer.weights]
        spelled = {safe_name(name): name for name in groups}
        by_name = {layer.name for layer in layers} == set(spelled)
        if not by_name and len(layers) != len(groups):
            raise Refused(
                f"has tensors of {len(groups)} layers, and {len(layers)} layers that have some"
            )
        # Where models were renamed, the order of layers counts: Keras goes by nothing else.
        names = [spelled[layer.name] for layer in layers] if by_name else list(groups)
        for layer, name in zip(layers, names, strict=True):
            yield layer, f"{GROUP}/{name}", groups[name]

    def _groups(self) -> dict[str, list[str]]:
        """Give the names of the tensors of each layer that has some, in the file's order."""
        names = self._file.names_attribute(GROUP, "layer_names")
        if len(set(names)) != len(names):
            raise Refused("has two layers of the same name")
        found = {name: self._names(f"{GROUP}/{name}") for name in names}
        if f"{GROUP}/{_TOP}" in self._file.groups and self._names(f"{GROUP}/{_TOP}"):
            raise Refused("has weights that belong to none of its layers")
        return {name: tensors for name, tensors in found.items() if tensors}

    def _names(self, group: str) -> list[str]:
        names = self._file.names_attribute(group, "weight_names")
        if len(set(names)) != len(names):
            raise Refused(f"names a tensor of '{printable(group)}' twice")
        return names

    def _read(self, path: str, variable: Any) -> NDArray[Any]:
        value = self._file.numbers(path, tuple(variable.shape))
        with np.errstate(over="ignore"):
            cast = value.astype(variable.dtype)
        if not np.isfinite(cast).all():
            raise Refused(f"'{printable(path)}' holds a NaN or an infinity")
        return cast


def _matched(layer: Any, group: str, names: list[str], file: CheckedFile) -> list[tuple[Any, str]]:
    """Find out which tensor of the file is which variable of a layer. Raises Refused."""
    paths = [f"{group}/{name}" for name in names]
    where = f"layer '{printable(layer.name)}'"
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    if len(variables) != len(paths):
        raise Refused(f"{where} has {len(paths)} tensors in the file, not {len(variables)}")
    own = {last_names(variable.path, 2): variable for variable in variables}
    for stored in (
        {last_names(name, 2): name for name in names},
        {of_layer(name): name for name in names},
    ):
        if len(own) == len(variables) and set(own) == set(stored):
            return [(variable, f"{group}/{stored[name]}") for name, variable in own.items()]
    shapes = [file.shape(path) for path in paths]
    last = [last_names(path, 1) for path in paths]
    for order in _orders(layer):
        fits = [tuple(variable.shape) for variable in order] == shapes
        if fits and [last_names(variable.path, 1) for variable in order] == last:
            return list(zip(order, paths, strict=True))
    for path, variable, shape in zip(paths, variables, shapes, strict=True):
        if tuple(variable.shape) != shape:
            raise Refused(f"'{printable(path)}' has shape {shape}, expected {variable.shape}")
    raise Refused(f"{where} has tensors of other names than its class has")


def _orders(layer: Any) -> Iterator[list[Any]]:
    """Yield the orders that Keras has stored a layer's tensors in.

    What is trained comes first, then the rest. In a model inside the model that depends on which of
    its layers were frozen when it was saved, which not every version wrote down.
    """
    yield [*layer.trainable_weights, *layer.non_trainable_weights]
    weights = list(layer.weights)
    yield weights
    yield sorted(weights, key=lambda variable: last_names(variable.path, 1) in _KEPT)


def of_layer(path: str) -> str:
    """Give layer and weight where the layer's own name has slashes, as Keras 2 allowed."""
    layer, _, _ = path.rpartition("/")
    return f"{safe_name(layer)}/{last_names(path, 1)}"


def last_names(path: str, parts: int) -> str:
    """Give the last parts of a tensor's name: layer and weight, or weight alone."""
    *layers, last = path.partition(":")[0].split("/")
    return "/".join([*layers, _SYNONYMS.get(last, last)][-parts:])
