"""A student in the place of its teacher: the pixels that it took, the outputs that it gave."""

import keras
import numpy as np

from kextract.models.cloning import plain
from kextract.models.input_range import PIXELS, Preprocessing


def drop_in(
    model: keras.Model, *, input_range: Preprocessing = PIXELS, outputs: str = "logits"
) -> keras.Model:
    """Copy a model of ours (pixels of -1 to 1 in, logits out) into one that takes other pixels.

    The copy consists of Keras's own layers, takes float32 images (n, h, w, c) in `input_range` and
    gives float32 (n, k) `logits` or `probabilities`.
    """
    copy = plain(model)
    if input_range != PIXELS:
        scale, offset = (np.asarray(n, np.float64) for n in (input_range.scale, input_range.offset))
        back = keras.layers.Rescaling((1 / scale).tolist(), (-offset / scale).tolist())
        pixels = keras.Input(model.input_shape[1:], name="pixels")
        x = back(pixels)
        if input_range.reverse:
            x = keras.ops.flip(x, axis=-1)
        copy = keras.Model(pixels, copy(x), name=model.name)
    if outputs == "probabilities":
        probabilities = keras.layers.Softmax(name="probabilities")(copy.output)
        copy = keras.Model(copy.input, probabilities, name=model.name)
    return copy
