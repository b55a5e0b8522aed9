"""Ways to make an ONNX file what it may not be: bytes in, bytes out."""

from collections.abc import Callable
from random import Random
from typing import Any

import onnx
from onnx import TensorProto, helper

from tests.storage.mutations import (
    Mutation,
    extreme_bytes,
    flip_bits,
    flip_header_bits,
)

Change = Callable[[Any, Random], None]
NUMBERS = (0, 1, -1, 2, 3, 7, 64, 1000, 1 << 20, (1 << 31) - 1, -(1 << 31), (1 << 62), -(1 << 63))
OPERATORS = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Div", "Pow", "Relu", "Softmax"),
    *("Reshape", "Transpose", "Flatten", "Concat", "Split", "Slice", "Gather", "Pad", "Resize"),
    *("Upsample", "Expand", "Shape", "ConstantOfShape", "Range", "Tile", "Where", "Einsum"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "LRN", "LayerNormalization"),
    *("BatchNormalization", "InstanceNormalization", "PRelu", "Clip", "DepthToSpace", "Attention"),
    *(
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Constant",
        "If",
        "Loop",
        "NoSuchThing",
        "",
        "é\n\x1b[2J",
    ),
)
PLACES = ("../n.data", "/etc/passwd", "", "n.onnx", ".", "..", "a/../../b", "x" * 5000, "\0")


def _of_graph(change: Change) -> Mutation:
    def mutate(data: bytes, random: Random) -> bytes:
        model = onnx.ModelProto.FromString(data)
        change(model, random)
        changed: bytes = model.SerializeToString()
        return changed

    mutate.__name__ = change.__name__
    return mutate


def odd_attribute(model: Any, random: Random) -> None:
    node = random.choice(model.graph.node)
    names = [attribute.name for attribute in node.attribute] or ["axis"]
    name = random.choice((*names, "axis", "group", "axes", "perm", "pads", "mode", "equation"))
    value = random.choice(
        (
            random.choice(NUMBERS),
            [random.choice(NUMBERS) for _ in range(random.choice((1, 2, 4, 60)))],
            *(float("nan"), float("inf"), 1e-40, "SAME_UPPER", "x" * 9000, "bij,bjk->bik"),
        )
    )
    for number, attribute in enumerate(node.attribute):
        if attribute.name == name:
            del node.attribute[number]
            break
    node.attribute.append(helper.make_attribute(name, value))


def odd_numbers(model: Any, random: Random) -> None:
    """A number in a list of whole numbers, such as strides, becomes another."""
    lists = [a.ints for node in model.graph.node for a in node.attribute if a.ints]
    if lists:
        chosen = random.choice(lists)
        chosen[random.randrange(len(chosen))] = random.choice(NUMBERS)


def odd_shape(model: Any, random: Random) -> None:
    tensor = random.choice(model.graph.initializer)
    kind = random.randrange(4)
    if kind == 0:
        tensor.dims.append(random.choice(NUMBERS))
    elif kind == 1 and tensor.dims:
        del tensor.dims[-1]
    elif tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = random.choice(NUMBERS)
    else:
        tensor.dims.extend([1] * 40)


def odd_type(model: Any, random: Random) -> None:
    random.choice(model.graph.initializer).data_type = random.choice((*range(24), 99, 1 << 20))


def odd_constant(model: Any, random: Random) -> None:
    """What shapes are made of becomes something else."""
    whole = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.INT64]
    if whole:
        tensor = random.choice(whole)
        count = len(tensor.raw_data) // 8
        values = [random.choice(NUMBERS) for _ in range(count)]
        tensor.raw_data = b"".join(value.to_bytes(8, "little", signed=True) for value in values)


def odd_input(model: Any, random: Random) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[random.randrange(len(dims))].dim_value = random.choice(NUMBERS)


def odd_operator(model: Any, random: Random) -> None:
    node = random.choice(model.graph.node)
    node.op_type = random.choice(OPERATORS)
    if random.random() < 0.1:
        node.domain = random.choice(("com.microsoft", "ai.onnx", "x" * 5000))


def swap_names(model: Any, random: Random) -> None:
    nodes = [node for node in model.graph.node if node.input]
    names = [name for node in nodes for name in (*node.input, *node.output)]
    node = random.choice(nodes)
    node.input[random.randrange(len(node.input))] = random.choice((*names, "", "nothing"))


def swap_outputs(model: Any, random: Random) -> None:
    one, other = random.choice(model.graph.node), random.choice(model.graph.node)
    one.output[0] = random.choice((other.output[0], model.graph.input[0].name, ""))


def drop_or_add_input(model: Any, random: Random) -> None:
    node = random.choice([node for node in model.graph.node if node.input])
    if random.random() < 0.5:
        del node.input[-1]
    else:
        node.input.append(random.choice(node.input))


def drop_node(model: Any, random: Random) -> None:
    del model.graph.node[random.randrange(len(model.graph.node))]


def shuffle_nodes(model: Any, random: Random) -> None:
    nodes = list(model.graph.node)
    random.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def repeat_node(model: Any, random: Random) -> None:
    """A node is applied to its own output, again and again."""
    node = random.choice(model.graph.node)
    name = node.output[0]
    for number in range(random.choice((1, 10, 60))):
        again = model.graph.node.add()
        again.CopyFrom(node)
        again.input[:] = [name, *node.input[1:]]
        again.output[:] = [name := f"{node.output[0]} {number}"]
    model.graph.output[0].name = name


def external(model: Any, random: Random) -> None:
    tensor = random.choice(model.graph.initializer)
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (
        ("location", random.choice(PLACES)),
        ("offset", str(random.choice((0, 1, -1, 1 << 62, "x")))),
        ("length", str(random.choice((size, size, 0, -1, 1 << 62)))),
    ):
        tensor.external_data.add(key=key, value=value)


def odd_opset(model: Any, random: Random) -> None:
    model.opset_import[0].version = random.choice((0, -1, 1, 6, 7, 9, 11, 13, 18, 23, 24, 1 << 40))


def several(model: Any, random: Random) -> None:
    for _ in range(random.choice((2, 3, 5))):
        random.choice(CHANGES)(model, random)


CHANGES: tuple[Change, ...] = (
    *(odd_attribute, odd_numbers, odd_numbers, odd_shape, odd_type, odd_constant, odd_input),
    *(odd_operator, odd_operator, swap_names, swap_names, swap_outputs, drop_or_add_input),
    *(drop_node, shuffle_nodes, external, odd_opset, repeat_node),
)


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def put_in(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + random.randbytes(random.choice((1, 8, 500))) + data[at:]


BYTES: tuple[Mutation, ...] = (flip_bits, flip_header_bits, extreme_bytes, truncate, put_in)
GRAPHS: tuple[Mutation, ...] = tuple(_of_graph(change) for change in (*CHANGES, several, several))
MUTATIONS = (BYTES, GRAPHS, GRAPHS)
"""Families, of which each is drawn as often as the others."""
