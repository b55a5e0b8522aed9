"""A model from a cleaned description and the weights beside it, without trusting either.

Keras makes variables as large as a description says. Here it is made to wait: a model is built
without values first, its shapes are compared with the weights file, and only then is memory used.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.graph import compiled
from kextract.models.axes import arranged
from kextract.models.input_range import Preprocessing
from kextract.models.statistics import layers_within
from kextract.storage.archive.graph import weighted_layers
from kextract.storage.archive.tensors import Tensors
from kextract.storage.archive.values import Json
from kextract.storage.archive.watch import MORE_TENSORS, check_size, too_large, watched
from kextract.storage.hashing import sha256_of_tensors
from kextract.storage.refusal import Refused, printable
from kextract.storage.weights import variables_by_path

MAX_PARAMETERS = 500_000_000
# Every number in the file takes at least so many bytes.
_BYTES = 4
# What gives weights, whose number the file limits; a cast makes no more than it is given.
_OF_WEIGHTS = ("ReadVariableOp", "Cast")
# Where only a few tensors are missing, the first of them is to be named.
_MISSING = 100


def build(description: Json, weights: Tensors) -> tuple[keras.Model, str]:
    """Build a model and fill it; give it with the SHA-256 over its tensors. Raises Refused."""
    numbers = min(MAX_PARAMETERS, weights.size // _BYTES)
    variables = weights.count + _MISSING
    if weighted_layers(description) > variables:
        raise Refused(MORE_TENSORS)
    with _without_values():
        limits = watched(numbers=numbers, variables=variables)
        with _errors_refused("cannot be built"), limits:
            model = keras.saving.deserialize_keras_object(description, safe_mode=True)
        if not isinstance(model, keras.Model) or not model.built:
            raise Refused("cannot be built: it does not fit together")
        with _errors_refused("cannot be filled with its weights"):
            tensors = weights.read(model)
    places = variables_by_path(model)
    for place, value in tensors.items():
        places[place].assign(value)
    for layer in layers_within(model):
        if isinstance(layer, keras.layers.Normalization):
            # It computes with copies of its variables.
            layer.finalize_state()
    return model, sha256_of_tensors(tensors)


def check_runs(
    model: keras.Model, shape: tuple[int, int, int], input_range: Preprocessing
) -> NDArray[Any]:
    """Apply a model to a few images of noise and give its answers, (n, ...). Raises Refused.

    Before, all that it would compute is looked at: shapes can be small in the file and huge in use.
    """
    with _errors_refused("cannot be applied to images"):
        sizes = tuple(model.input_shape[1:])
        spec = tf.TensorSpec((1, *sizes), tf.float32)
        traced = compiled(lambda images: model(images, training=False))
        for operation in traced.get_concrete_function(spec).graph.get_operations():
            for output in operation.outputs:
                if output.shape.rank is not None and operation.type not in _OF_WEIGHTS:
                    check_size(tuple(output.shape))
        noise = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
        images = arranged(input_range.apply(noise), sizes)
        answers: NDArray[Any] = model(images, training=False).numpy()
    if not np.isfinite(answers).all():
        raise Refused("answers images with a NaN or an infinity")
    return answers


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
        if excess := too_large(error):
            raise Refused(str(excess)) from error
        # Keras and TensorFlow raise whatever comes to hand, and put pages into it.
        text = str(error).rpartition("Exception encountered: ")[2].strip()
        reason = text.splitlines()[0] if text else type(error).__name__
        raise Refused(f"{what}: {printable(reason)}") from error


@contextmanager
def _without_values() -> Iterator[None]:
    """Let Keras make variables that have a shape and no value; they become zeros at the end.

    If the block fails they are forgotten: else Keras would make them at the next occasion.
    """
    from keras.src.backend.common import global_state

    scope = keras.StatelessScope()
    with scope:
        try:
            yield
        except BaseException:
            scope.initialize_variables = False
            global_state.set_global_attribute("uninitialized_variables", [])
            raise
