"""What a function for an operator is given, and the layers with weights that it may make."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kextract.errors import Refused
from kextract.foreign.onnx.registry import Operation, not_read
from kextract.foreign.onnx.tensors import Array, Tensor, Value, checked, tensor

MAX_PARAMETERS = 500_000_000
SPARE_PARAMETERS = 1 << 22
"""Weights that a network may have beyond twice the numbers in its file."""
SHARED = 1 << 14
"""The fewest weights that are worth a layer that is applied in several places."""


class Layers:
    """Makes layers of given weights; large weights that are met again get the same layer again."""

    def __init__(self, image: Any, held: int) -> None:
        self._made: dict[str, keras.Layer] = {}
        self._left = min(MAX_PARAMETERS, 2 * held + SPARE_PARAMETERS)
        self.image = image
        """The KerasTensor of the network's input."""

    def apply(self, key: str, layer: keras.Layer, data: Any, weights: Sequence[Array]) -> Any:
        """Apply a layer and fill it with weights that come from the file, or from its shapes.

        `key` says which tensors of the file they are made of, and how.
        """
        size = sum(weight.size for weight in weights)
        if size < SHARED:
            self._count(size)
            return _filled(layer, data, weights)
        key = f"{key} {data.shape[1:]}"
        made = self._made.get(key)
        if made is not None and all(map(np.array_equal, made.get_weights(), weights)):
            return checked(made(data))
        self._count(size)
        self._made[key] = layer
        return _filled(layer, data, weights)

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Refused("has layers with far more weights than its file")


def _filled(layer: keras.Layer, data: Any, weights: Sequence[Array]) -> Any:
    made = checked(layer(data))
    layer.set_weights([np.asarray(weight, np.float32) for weight in weights])
    return made


@dataclass(frozen=True)
class Call(Operation):
    """A node with its inputs, of which at least one depends on the image."""

    layers: Layers
    used_outputs: int
    """How many of the outputs are of interest, counted from the first."""

    def tensor(self, place: int = 0) -> Tensor:
        """Give an input that depends on the image."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(value, Tensor):
            return value
        raise not_read(f"has a constant or nothing as input {place}")

    def weighted(self, layer: keras.Layer, data: Any, *weights: Array | None) -> Any:
        """Apply a layer filled with weights; None are those that it has not."""
        names = [
            "" if isinstance(value, Tensor) else name
            for name, value in zip(self.node.inputs, self.inputs, strict=True)
        ]
        config = {key: value for key, value in layer.get_config().items() if key != "name"}
        key = f"{type(layer).__name__} {config} {names}"
        return self.layers.apply(key, layer, data, [w for w in weights if w is not None])


def as_tensor(call: Call, value: Value) -> Tensor:
    """Make a constant something that there is one of for each image.

    It is the bias of a dense layer whose kernel is zero, so that it is a weight like others.
    """
    if isinstance(value, Tensor):
        return value
    numbers = value.astype(np.float32).reshape(-1)
    image = call.layers.image
    corner = image[(slice(None), *[0] * (len(image.shape) - 2), slice(0, 1))]
    dense = keras.layers.Dense(numbers.size, kernel_initializer="zeros", dtype="float32")
    data = call.weighted(dense, corner, np.zeros((1, numbers.size)), numbers)
    if not numbers.size:
        raise Refused("is given a constant without numbers")
    kept = [size for size in value.shape if size != 1]
    places = iter(range(1, len(kept) + 1))
    data = keras.layers.Reshape(kept, dtype="float32")(data) if len(kept) > 1 else data
    return tensor(data, [() if size == 1 else (next(places),) for size in value.shape])
