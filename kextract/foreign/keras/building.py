"""A model from a cleaned description and the weights beside it, without trusting either.

Keras makes variables as large as a description says. Here it is made to wait: a model is built
without values first, its shapes are compared with the weights file, and only then is memory used.

Every other layer that is read only says what its variables are to be like. `Normalization` computes
with copies of its means and variances, and makes them as large as its input says, at once: while
layers are built, it may do so only up to a limit.
"""

import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.keras.description import Json
from kextract.foreign.keras.graph import weighted_layers
from kextract.foreign.keras.tensors import Tensors
from kextract.hdf5.weights import sha256_of_tensors, variables_by_path
from kextract.models.axes import arranged
from kextract.models.input_range import Preprocessing
from kextract.models.statistics import layers_within
from kextract.runtime import compiled
from kextract.text import printable

MAX_PARAMETERS = 500_000_000
MAX_ACTIVATIONS = 1 << 24
"""The most numbers that a layer may make of one image."""
# Every number in the file takes at least so many bytes.
_BYTES = 4
# What gives weights, whose number the file limits; a cast makes no more than it is given.
_OF_WEIGHTS = ("ReadVariableOp", "Cast")
# Where only a few tensors are missing, the first of them is to be named.
_MISSING = 100
_MORE_TENSORS = "has layers with more tensors than its file"

MAX_CONSTANTS = 1 << 20
"""The most numbers that all Normalization layers together may normalize by."""


def build(description: Json, weights: Tensors) -> tuple[keras.Model, str]:
    """Build a model and fill it; give it with the SHA-256 over its tensors. Raises Refused."""
    if weighted_layers(description) > weights.count + _MISSING:
        raise Refused(_MORE_TENSORS)
    # Keras remembers by thread which variables are still without values: those of a model that is
    # refused are forgotten with it.
    with ThreadPoolExecutor(max_workers=1) as thread:
        model, tensors = thread.submit(_built, description, weights).result()
    places = variables_by_path(model)
    for place, value in tensors.items():
        places[place].assign(value)
    for layer in layers_within(model):
        if isinstance(layer, keras.layers.Normalization):
            # It computes with copies of its variables.
            layer.finalize_state()
    with _errors_refused("cannot be applied to images"):
        _check_activations(model)
    return model, sha256_of_tensors(tensors)


def check_runs(
    model: keras.Model, shape: tuple[int, int, int], input_range: Preprocessing
) -> NDArray[Any]:
    """Apply a model to a few images of noise and give its outputs, (n, ...). Raises Refused."""
    with _errors_refused("cannot be applied to images"):
        noise = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
        images = arranged(input_range.apply(noise), tuple(model.input_shape[1:]))
        outputs: NDArray[Any] = model(images, training=False).numpy()
    if not np.isfinite(outputs).all():
        raise Refused("makes a NaN or an infinity of images")
    return outputs


def _built(description: Json, weights: Tensors) -> tuple[keras.Model, dict[str, NDArray[Any]]]:
    """Build a model whose variables are zeros, and read what they will be. Raises Refused."""
    scope = keras.StatelessScope(initialize_variables=False)
    with scope:
        with _errors_refused("cannot be built"), _limited_constants():
            model = keras.saving.deserialize_keras_object(description, safe_mode=True)
        if not isinstance(model, keras.Model) or not model.built:
            raise Refused("cannot be built: it does not fit together")
        _check_parameters(model, weights)
        with _errors_refused("cannot be filled with its weights"):
            tensors = weights.read(model)
        scope.initialize_variables = True
    return model, tensors


def _check_parameters(model: keras.Model, weights: Tensors) -> None:
    """Raise Refused for a model that has more, or larger, variables than its file can hold."""
    if len(model.weights) > weights.count + _MISSING:
        raise Refused(_MORE_TENSORS)
    if model.count_params() > min(MAX_PARAMETERS, weights.size // _BYTES):
        raise Refused("has layers with more weights than its file has room for")


def _check_activations(model: keras.Model) -> None:
    """Raise Refused for a layer that would make too much of one image; none is computed here.

    Shapes can be small in the file and huge in use.
    """
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    traced = compiled(lambda images: model(images, training=False))
    for operation in traced.get_concrete_function(spec).graph.get_operations():
        for output in operation.outputs:
            if output.shape.rank is None or operation.type in _OF_WEIGHTS:
                continue
            if math.prod(size for size in output.shape if size is not None) > MAX_ACTIVATIONS:
                raise Refused(
                    f"makes more than {MAX_ACTIVATIONS} numbers of one image in one layer"
                )


@contextmanager
def _errors_refused(what: str) -> Iterator[None]:
    """Turn whatever a senseless description makes Keras raise into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Refused:
        raise
    except Exception as error:
        if excess := _too_many(error):
            raise Refused(str(excess)) from error
        # Keras and TensorFlow raise whatever comes to hand, and put pages into it.
        text = str(error).rpartition("Exception encountered: ")[2].strip()
        reason = text.splitlines()[0] if text else type(error).__name__
        raise Refused(f"{what}: {printable(reason)}") from error


class _TooManyConstants(Exception):  # noqa: N818 - it never leaves this module
    """More constants than are read, as one line without the file's name."""


def _too_many(error: BaseException | None) -> _TooManyConstants | None:
    """Find our own error behind those that Keras makes of it, some of them of the same class."""
    found = None
    while error is not None:
        found = error if isinstance(error, _TooManyConstants) else found
        error = error.__context__
    return found


@contextmanager
def _limited_constants() -> Iterator[None]:
    """Raise _TooManyConstants, from within Keras, where Normalization layers need too many."""
    build, left = keras.layers.Normalization.build, MAX_CONSTANTS

    def limited(layer: Any, input_shape: Any) -> None:
        nonlocal left
        axes = range(len(input_shape)) if layer.axis is None else layer.axis
        left -= math.prod(input_shape[axis] or 1 for axis in axes)
        if left < 0:
            raise _TooManyConstants(f"normalizes by more than {MAX_CONSTANTS} numbers")
        build(layer, input_shape)

    keras.layers.Normalization.build = limited
    try:
        yield
    finally:
        keras.layers.Normalization.build = build
