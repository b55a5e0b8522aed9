"""Ways to make a `.tflite` file what it may not be: bytes in, bytes out."""

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from tests.foreign.tflite.networks import packed
from tests.storage.mutations import Mutation, extreme_bytes, flip_bits, flip_header_bits

Change = Callable[[Any, Random], object]
NUMBERS = (0, 1, -1, 2, 3, 7, 64, 1000, 1 << 20, (1 << 31) - 1, -(1 << 31))


def _of_model(change: Change) -> Mutation:
    def mutate(data: bytes, random: Random) -> bytes:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        change(model, random)
        return packed(model)

    mutate.__name__ = change.__name__
    return mutate


def _tensor(model: Any, random: Random) -> Any:
    return random.choice(model.subgraphs[0].tensors)


def _operator(model: Any, random: Random) -> Any:
    return random.choice(model.subgraphs[0].operators)


def odd_shape(model: Any, random: Random) -> None:
    tensor = _tensor(model, random)
    shape = [*(tensor.shape if tensor.shape is not None else ()), 1]
    shape[random.randrange(len(shape))] = random.choice(NUMBERS)
    tensor.shape = random.choice((shape[:-1], shape, [1] * 40, []))


def odd_type(model: Any, random: Random) -> None:
    _tensor(model, random).type = random.randrange(25)


def odd_signature(model: Any, random: Random) -> None:
    tensor = model.subgraphs[0].tensors[0]
    tensor.shapeSignature = [random.choice((-1, *tensor.shape)) for _ in tensor.shape]


def odd_buffer(model: Any, random: Random) -> None:
    """Constants become computed tensors, computed tensors constants, or all share one buffer."""
    buffer = random.randrange(-1, len(model.buffers) + 2) % (1 << 32)
    tensors = random.choice(([_tensor(model, random)], model.subgraphs[0].tensors))
    for tensor in tensors:
        tensor.buffer = buffer


def odd_numbers(model: Any, random: Random) -> None:
    """What shapes are made of becomes something else."""
    whole = [
        t for t in model.subgraphs[0].tensors if t.type == schema.TensorType.INT32 and t.buffer
    ]
    buffer = model.buffers[random.choice(whole).buffer]
    numbers = [random.choice(NUMBERS) for _ in range(len(buffer.data) // 4)]
    buffer.data = np.frombuffer(np.array(numbers, np.int32).tobytes(), np.uint8)


def odd_scales(model: Any, random: Random) -> None:
    tensor = _tensor(model, random)
    tensor.quantization = schema.QuantizationParametersT()
    count = random.choice((1, 1, 2, 4, 1000))
    tensor.quantization.scale = [random.choice((0.0, 1.0, -1.0, 1e38, float("nan")))] * count
    tensor.quantization.zeroPoint = [random.choice((0, 1, -(1 << 62)))] * random.choice(
        (0, 1, count)
    )
    tensor.quantization.quantizedDimension = random.choice(NUMBERS)


def odd_operator(model: Any, random: Random) -> None:
    code = random.choice(model.operatorCodes)
    code.builtinCode = random.choice((*range(200), 1 << 20, -1))
    code.deprecatedBuiltinCode = random.choice((0, min(code.builtinCode, 127)))
    code.customCode = random.choice((None, b"\x1b[2J\n", b"x" * 5000))


def odd_options(model: Any, random: Random) -> None:
    options = _operator(model, random).builtinOptions
    names = [name for name, value in vars(options).items() if type(value) in (int, bool)]
    setattr(options, random.choice(names), random.choice((0, 1, -1, 2, 3, 100)))


def other_options(model: Any, random: Random) -> None:
    one, other = _operator(model, random), _operator(model, random)
    one.builtinOptions, one.builtinOptionsType = other.builtinOptions, other.builtinOptionsType


def swap_links(model: Any, random: Random) -> None:
    operator = _operator(model, random)
    count = len(model.subgraphs[0].tensors)
    links = list(random.choice((operator.inputs, operator.outputs)))
    links[random.randrange(len(links))] = random.choice((*range(-2, count + 2), 1 << 30))
    operator.inputs = random.choice((links, links * 2, links[:-1]))


def swap_outputs(model: Any, random: Random) -> None:
    one, other = _operator(model, random), _operator(model, random)
    one.outputs = random.choice((other.outputs, [0], [], list(one.outputs) * 3))


def odd_ends(model: Any, random: Random) -> None:
    graph = model.subgraphs[0]
    ends = [random.randrange(-1, len(graph.tensors) + 1) for _ in range(random.choice((0, 1, 2)))]
    setattr(graph, random.choice(("inputs", "outputs")), ends)


def shuffle_operators(model: Any, random: Random) -> None:
    random.shuffle(model.subgraphs[0].operators)


def drop_operator(model: Any, random: Random) -> None:
    operators = model.subgraphs[0].operators
    del operators[random.randrange(len(operators))]


def repeat_operator(model: Any, random: Random) -> None:
    model.subgraphs[0].operators *= random.choice((2, 3000))


def several_graphs(model: Any, random: Random) -> None:
    model.subgraphs = random.choice(([], model.subgraphs * 2))


def several(model: Any, random: Random) -> None:
    for _ in range(random.choice((2, 3, 5))):
        random.choice(CHANGES)(model, random)


CHANGES: tuple[Change, ...] = (
    *(odd_shape, odd_type, odd_signature, odd_buffer, odd_numbers, odd_numbers, odd_scales),
    *(odd_operator, odd_operator, odd_options, odd_options, other_options, swap_links, swap_links),
    *(swap_outputs, odd_ends, shuffle_operators, drop_operator, repeat_operator, several_graphs),
)


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def odd_words(data: bytes, random: Random) -> bytes:
    """Offsets and lengths become others."""
    words = np.frombuffer(data[: len(data) // 4 * 4], "<i4").copy()
    for _ in range(random.choice((1, 1, 3))):
        words[random.randrange(len(words))] = random.choice((*NUMBERS, 4, 8, 100, len(data)))
    return words.tobytes()


BYTES: tuple[Mutation, ...] = (
    *(flip_bits, flip_header_bits, extreme_bytes, truncate, odd_words, odd_words, odd_words),
)
MODELS: tuple[Mutation, ...] = tuple(_of_model(change) for change in (*CHANGES, several, several))
MUTATIONS = (BYTES, MODELS)
"""Families, of which each is drawn as often as the others."""
