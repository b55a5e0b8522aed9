"""A network as Keras alone knows it, for files that others are to read."""

from typing import Any

import keras


def plain(model: keras.Model) -> keras.Model:
    """Copy a model into Keras's own layers: the same logits (within float32's rounding) and names.

    Our fused batch normalization becomes Keras's, all arithmetic float32; penalties and constraints
    on weights, which are for training, are left out, and no layer is kept from training. Layers
    are in inference mode when the copy is exported or called with `training=False`, as those of the
    original are.
    """
    inputs = keras.Input(model.input_shape[1:], name="pixels")
    copy = keras.models.clone_model(model, inputs, clone_function=_copied, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def _copied(layer: keras.Layer) -> keras.Layer:
    kind = keras.layers.BatchNormalization
    return (kind if isinstance(layer, kind) else type(layer)).from_config(_stock(layer))


def _stock(layer: keras.Layer) -> dict[str, Any]:
    left_out = ("_regularizer", "_constraint")
    config: dict[str, Any] = layer.get_config()
    config = {name: None if name.endswith(left_out) else v for name, v in config.items()}
    return config | {"trainable": True} | ({"dtype": "float32"} if "dtype" in config else {})
