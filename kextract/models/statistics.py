"""The batch normalizations of a teacher, and what they see when it looks at images.

Methods that draw images out of a teacher compare the statistics of its features with those that its
batch normalizations have stored (Yin et al. 2020, "Dreaming to distill", section 3.2).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

Normalized = tuple[keras.layers.BatchNormalization, tf.Tensor]
"""A layer, and a tensor that it normalizes: (n, h, w, c), or (n, c) after dense layers."""


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """List a model's batch normalizations in order, each once, those of models inside it too."""
    kind = keras.layers.BatchNormalization
    found = {id(layer): layer for layer in layers_within(model) if isinstance(layer, kind)}
    return list(found.values())


def layers_within(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield a model's layers in order, and in the place of a model inside it that model's layers.

    A layer that is in several models comes several times.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)
        else:
            yield layer


def logits_and_inputs(model: keras.Model, images: tf.Tensor) -> tuple[tf.Tensor, list[Normalized]]:
    """Apply a model in inference mode to images (n, h, w, c); works inside `tf.function` too.

    Returns the logits (n, k) and, in the order of their calls, each batch normalization with the
    tensor that it normalized, before it did. A layer that is applied twice is there twice.
    """
    seen: list[Normalized] = []

    def note(layer: Any, given: tf.Tensor, _: tf.Tensor) -> None:
        seen.append((layer, channels_last(layer, given)))

    with record_calls(batch_norm_layers(model), note):
        logits = model(images, training=False)
    return logits, seen


def channels_last(layer: keras.layers.BatchNormalization, given: tf.Tensor) -> tf.Tensor:
    """Move the axis that a batch normalization normalizes along to the end."""
    axis = layer.axis % given.shape.rank
    last = given.shape.rank - 1
    return given if axis == last else keras.ops.moveaxis(given, axis, last)


class _Seen(Exception):  # noqa: N818 - it never leaves this module
    """Thrown where the rest of a network does not matter."""


def first_call(
    model: keras.Model, layers: Iterable[keras.Layer], images: Any
) -> tuple[Any, tf.Tensor] | None:
    """Apply a model to images (n, h, w, c), eagerly, as far as the first call of one of the layers.

    Returns that layer and what it was given; None where none of them is called.
    """
    seen: list[tuple[Any, tf.Tensor]] = []

    def stop(layer: Any, given: tf.Tensor, _: tf.Tensor) -> None:
        seen.append((layer, given))
        raise _Seen

    try:
        with record_calls(layers, stop):
            model(images, training=False)
    except Exception:
        # Keras puts its own exception around ours where models are inside models.
        if not seen:
            raise
    return seen[0] if seen else None


@contextmanager
def record_calls(
    layers: Iterable[keras.Layer], note: Callable[[Any, tf.Tensor, tf.Tensor], None]
) -> Iterator[None]:
    """Call `note` with the layer, what goes in and what comes out, at every call of a layer.

    The inputs are not outputs of a functional model where models are inside models, so a second
    model that returns them cannot be had: a listener stands before each `call` for a while.
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
            # Not by assignment: Keras would track it as a part of the layer.
            vars(layer)["call"] = listener(layer)
        yield
    finally:
        for layer in listened:
            vars(layer).pop("call", None)
