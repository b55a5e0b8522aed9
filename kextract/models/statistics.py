"""Statistics of the features that a teacher's batch normalizations take.

Methods that synthesize images from a teacher compare the statistics of its features with those that
its batch normalizations have stored (Yin et al. 2020, "Dreaming to distill", section 3.2).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

Normalized = tuple[keras.layers.BatchNormalization, tf.Tensor]
"""A layer, and its input: (n, h, w, c), or (n, c) after dense layers."""


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """List the batch normalizations of a model and of nested ones in order, each once."""
    kind = keras.layers.BatchNormalization
    found = {id(layer): layer for layer in layers_within(model) if isinstance(layer, kind)}
    return list(found.values())


def layers_within(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield a model's layers in order, with nested models replaced by their layers.

    A layer that is in several models comes several times.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)
        else:
            yield layer


def logits_and_inputs(model: keras.Model, images: tf.Tensor) -> tuple[tf.Tensor, list[Normalized]]:
    """Apply a model in inference mode to images (n, h, w, c); works inside `tf.function` too.

    Returns the logits (n, k) and, in the order of the calls, each batch normalization with its
    input. A layer that is applied twice is listed twice.
    """
    seen: list[Normalized] = []

    def note(layer: Any, given: tf.Tensor, _: tf.Tensor) -> None:
        seen.append((layer, channels_last(layer, given)))

    with record_calls(batch_norm_layers(model), note):
        logits = model(images, training=False)
    return logits, seen


def channels_last(layer: keras.layers.BatchNormalization, given: tf.Tensor) -> tf.Tensor:
    """Move the channel axis of a batch normalization's input to the end."""
    axis = layer.axis % given.shape.rank
    last = given.shape.rank - 1
    return given if axis == last else keras.ops.moveaxis(given, axis, last)


class _Seen(Exception):  # noqa: N818 - it never leaves this module
    """Raised to skip the rest of a network."""


def first_call(
    model: keras.Model, layers: Iterable[keras.Layer], images: Any
) -> tuple[Any, tf.Tensor] | None:
    """Apply a model eagerly to images (n, h, w, c), up to the first call of one of the layers.

    Returns that layer and its input; None if none of them is called.
    """
    seen: list[tuple[Any, tf.Tensor]] = []

    def stop(layer: Any, given: tf.Tensor, _: tf.Tensor) -> None:
        seen.append((layer, given))
        raise _Seen

    try:
        with record_calls(layers, stop):
            model(images, training=False)
    except Exception:
        # In nested models Keras wraps our exception in its own.
        if not seen:
            raise
    return seen[0] if seen else None


@contextmanager
def record_calls(
    layers: Iterable[keras.Layer], note: Callable[[Any, tf.Tensor, tf.Tensor], None]
) -> Iterator[None]:
    """Within the block, call `note` with layer, input and output at every call of a layer.

    With nested models the inputs are not reachable as outputs of a second functional model, so each
    layer's `call` is wrapped for the time of the block.
    """

    def listener(layer: keras.Layer) -> Callable[..., tf.Tensor]:
        call = layer.call

        def listen(inputs: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
            outputs = call(inputs, *args, **kwargs)
            note(layer, inputs, outputs)
            return outputs

        return listen

    listened = list(layers)
    try:
        for layer in listened:
            # Not by assignment, which Keras would track as a part of the layer.
            vars(layer)["call"] = listener(layer)
        yield
    finally:
        for layer in listened:
            vars(layer).pop("call", None)
