"""What a network costs to store and to run, counted layer by layer."""

import math

import keras
import tensorflow as tf

from kextract.models.spec import Cost
from kextract.models.statistics import layers_within, record_calls

TRANSPOSED = keras.layers.Conv2DTranspose
COUNTED = (
    keras.layers.Conv2D,
    TRANSPOSED,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


Shape = tuple[int, ...]


def cost_of(model: keras.Model) -> Cost:
    """Count the parameters of a model, and the multiply-adds that one image takes.

    Counted are convolutions and dense layers, those of models inside the model too, and a layer
    that is applied twice twice. All else (normalization, activations, pooling, attention) is left
    out, as the field does.
    """
    counts: list[int] = []

    def count(layer: keras.Layer, given: tf.Tensor, made: tf.Tensor) -> None:
        counts.append(_multiply_adds(layer, tuple(given.shape[1:]), tuple(made.shape[1:])))

    once = {id(layer): layer for layer in layers_within(model) if isinstance(layer, COUNTED)}
    with record_calls(once.values(), count):
        model(tf.zeros((1, *model.input_shape[1:])), training=False)
    return Cost(model.count_params(), sum(counts))


def _multiply_adds(layer: keras.Layer, given: Shape, made: Shape) -> int:
    """Count those of one call, by the shapes of one image's features before and after."""
    layers = keras.layers
    places: int = math.prod(made[:-1])
    if isinstance(layer, layers.Dense):
        return places * given[-1] * made[-1]
    if isinstance(layer, layers.SeparableConv2D):
        return places * (_count(layer.depthwise_kernel) + _count(layer.pointwise_kernel))
    if isinstance(layer, layers.DepthwiseConv2D):
        return places * _count(layer.kernel)
    transposed = isinstance(layer, TRANSPOSED)
    return _count(layer.kernel) * (math.prod(given[:-1]) if transposed else places)


def _count(kernel: keras.Variable) -> int:
    return int(math.prod(kernel.shape))
