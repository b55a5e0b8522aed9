"""How much a network computes for one image, counted in the graph that TensorFlow runs."""

import math
from typing import Any

import keras
import tensorflow as tf


def multiply_adds(graph: tf.Graph) -> int:
    """Count the multiply-adds of a graph traced for one image: convolutions and dense layers.

    Normalization, activations and pooling, a few percent of the rest, do not count.
    """
    return sum(_of_operation(operation) for operation in graph.get_operations()) + _grouped(graph)


def multiply_adds_of(model: keras.Model) -> int:
    """Count the multiply-adds that a model needs for one image."""
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    traced = tf.function(lambda images: model(images, training=False), jit_compile=False)
    return multiply_adds(traced.get_concrete_function(spec).graph)


def _of_operation(operation: Any) -> int:
    shapes = [tuple(tensor.shape) for tensor in operation.inputs if tensor.shape.rank is not None]
    if operation.type == "Conv2D":
        (_, kernel), made = shapes, tuple(operation.outputs[0].shape)
        return _product(made) * _product(kernel[:3])
    if operation.type == "DepthwiseConv2dNative":
        (_, kernel), made = shapes, tuple(operation.outputs[0].shape)
        return _product(made) * _product(kernel[:2])
    if operation.type == "Conv2DBackpropInput":
        _, kernel, taken = shapes
        return _product(taken) * _product(kernel[:3])
    if operation.type in ("MatMul", "BatchMatMulV2"):
        # Transposed or not, the second factor has the numbers that each row is multiplied by.
        made = tuple(operation.outputs[0].shape)
        return _product(shapes[1][-2:]) * _product(made[:-1])
    return 0


def _grouped(graph: tf.Graph) -> int:
    """Count convolutions in groups: Keras makes each a function, to be compiled for processors."""
    total = 0
    for function in graph.as_graph_def(add_shapes=True).library.function:
        shapes = {
            node.name: tuple(dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim)
            for node in function.node_def
            if node.attr["_output_shapes"].list.shape
        }
        for node in function.node_def:
            if node.op == "Conv2D":
                kernel = shapes[node.input[1].partition(":")[0]]
                total += _product(shapes[node.name]) * _product(kernel[:3])
    return total


def _product(sizes: tuple[int | None, ...]) -> int:
    return math.prod(size or 1 for size in sizes)
