"""Whether a network that was read computes what the LiteRT interpreter computes of its file."""

from pathlib import Path
from typing import Any

import numpy as np

from kextract.errors import RequestError
from kextract.foreign.comparing import (
    IMAGES,
    Comparison,
    Floats,
    compared,
    made_up_images,
    outputs_of,
)
from kextract.foreign.network import ReadNetwork
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.runtime import native_stderr_held
from kextract.text import one_line, shortened


def check_against_litert(
    network: ReadNetwork,
    path: Path,
    *,
    images: int = IMAGES,
    input_range: Preprocessing | None = None,
    threads: int | None = 1,
) -> Comparison | None:
    """Give random and made-up images to both; None where ai-edge-litert is not installed.

    Outputs are compared as the file has them: a softmax or sigmoid that was taken off is put back,
    and integers with a scale are the real values that they stand for. Both get the same numbers:
    those that the file's input can hold. `input_range` says how black and white are given; without
    it that is the input's ends, where it is of integers, and -1 to 1 otherwise. The interpreter is
    native code. Raises RequestError where it cannot run the file.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    expected, found = [], []
    try:
        with native_stderr_held():
            interpreter = Interpreter(str(path), num_threads=threads)
            (given,) = interpreter.get_input_details()
            (output,) = (
                each
                for each in interpreter.get_output_details()
                if each["name"] == network.output_name
            )
            interpreter.resize_tensor_input(given["index"], network.dims)
            interpreter.allocate_tensors()
            for pixels in made_up_images(network, images):
                numbers = _encoded(pixels, given, network, input_range)
                expected.append(_run(interpreter, given["index"], output, numbers, network.dims))
                found.append(outputs_of(network, _real(numbers, given["quantization"])))
    except (ValueError, RuntimeError, OSError) as error:
        why = shortened(one_line(error), 200)
        raise RequestError(f"'{path}': LiteRT cannot run it: {why}") from error
    return compared(
        np.concatenate(expected), np.concatenate(found), by_label=network.head == "sigmoid"
    )


def _encoded(pixels: Floats, given: Any, network: ReadNetwork, taken: Preprocessing | None) -> Any:
    """Give pixels in [-1, 1] as the numbers of the file's input."""
    scale, zero = given["quantization"]
    dtype = np.dtype(given["dtype"])
    if taken is not None:
        real = taken.apply(pixels)
    elif network.input_ends is not None:
        low, high = network.input_ends
        real = low + (pixels + 1) / 2 * (high - low)
    elif dtype.kind in "iu" and not scale:
        real = (pixels + 1) * 127.5
    else:
        real = PIXELS.apply(pixels)
    if dtype.kind not in "iu":
        return real.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(real / (scale or 1) + zero).clip(limits.min, limits.max).astype(dtype)


def _real(numbers: Any, quantization: tuple[float, int]) -> Floats:
    scale, zero = quantization
    real = numbers.astype(np.float32)
    return np.asarray((real - zero) * np.float32(scale) if scale else real)


def _run(interpreter: Any, place: int, output: Any, numbers: Any, dims: tuple[int, ...]) -> Floats:
    rows = []
    for image in numbers:
        interpreter.set_tensor(place, image.reshape(dims))
        interpreter.invoke()
        answer = interpreter.get_tensor(output["index"]).reshape(-1)
        rows.append(_real(answer, output["quantization"]))
    return np.stack(rows)
