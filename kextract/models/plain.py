"""A network as Keras alone knows it, for files that others are to read."""

from typing import Any

import keras

from kextract.models.copying import check_can_be_copied


def plain(model: keras.Model) -> keras.Model:
    """Copy a model into Keras's own layers: the same logits (within float32's rounding) and names.

    Our fused batch normalization becomes Keras's, all arithmetic float32; penalties and constraints
    on weights, which are for training, are left out, and no layer is kept from training. Layers
    are in inference mode when the copy is exported or called with `training=False`, as those of the
    original are. Raises RequestError for a network with code of its own, which has no description.
    """
    check_can_be_copied(model)
    inputs = keras.Input(model.input_shape[1:], name="pixels")
    copy = keras.models.clone_model(model, inputs, clone_function=_copied, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def _copied(layer: keras.Operation) -> keras.Operation:
    config: dict[str, Any] = layer.get_config()
    if not isinstance(layer, keras.Layer):
        # Arithmetic on tensors has neither weights nor a precision.
        return type(layer).from_config(config)
    left_out = ("_regularizer", "_constraint")
    config = {name: None if name.endswith(left_out) else v for name, v in config.items()}
    config |= {"trainable": True, **({"dtype": "float32"} if "dtype" in config else {})}
    kind = keras.layers.BatchNormalization
    return (kind if isinstance(layer, kind) else type(layer)).from_config(config)
