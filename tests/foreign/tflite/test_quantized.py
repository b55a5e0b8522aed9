"""Integers become the real values that they stand for: the network agrees within their steps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.foreign.network import ReadNetwork, read_tflite
from tests.foreign.outputs import outputs_of
from tests.foreign.tflite.networks import Array, Writer, by_litert, images

STEP = 1 / 64
"""Between neighbouring numbers of images, which are then exact."""
PLACES = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


def numbers(kind: str, *shape: int) -> Array:
    random = np.random.default_rng(3)
    limits = np.iinfo(kind)
    low = limits.min + 1 if limits.min else 0
    return random.integers(low, limits.max, shape, endpoint=True).astype(kind)


def exact(*shape: int) -> Array:
    """Images of numbers that integers can stand for."""
    return np.rint(images(*shape) / STEP) * STEP


def convolved(
    path: Path,
    kind: str,
    *,
    zero: int = 0,
    ends: tuple[float, int] = (1 / 8, 0),
    scaled_bias: bool = True,
    **options: Any,
) -> Path:
    """Write a convolution of integers, per channel but for uint8."""
    writer = Writer((6, 5, 3), kind, STEP, zero)
    if kind == "uint8":
        scales: Any = 1 / 256
        kernel = writer.constant(numbers("uint8", 4, 3, 3, 3), scales, 120)
    else:
        scales = np.array([1, 2, 3, 4]) / 512
        kernel = writer.constant(numbers("int8", 4, 3, 3, 3), scales, 0, 0)
    kept = np.int64 if kind == "int16" else np.int32
    bias = writer.constant(
        np.array([3000, -20, 800, -2500], kept), STEP * scales if scaled_bias else 0.0
    )
    made = writer.tensor((1, 6, 5, 4), kind, *ends)
    writer.add("CONV_2D", 0, kernel, bias, made=made, options="Conv2DOptions", **PLACES, **options)
    shape = writer.constant(np.array([1, -1], np.int32))
    rows = writer.add("RESHAPE", made, shape, made=writer.tensor((), kind, *ends))
    return writer.save(path, rows, tried=scaled_bias)


def differences(path: Path, given: Array) -> tuple[Array, ReadNetwork]:
    network = read_tflite(path)
    return np.abs(outputs_of(network, given) - by_litert(path, given)), network


@pytest.mark.parametrize(
    ("kind", "zero", "ends"),
    [("int8", -3, (1 / 8, 5)), ("uint8", 130, (1 / 8, 120)), ("int16", 0, (1 / 2048, 0))],
)
def test_a_convolution_of_integers_is_right_within_a_step(
    kind: str, zero: int, ends: tuple[float, int], tmp_path: Path
) -> None:
    path = convolved(tmp_path / "n.tflite", kind, zero=zero, ends=ends)
    found, network = differences(path, exact(6, 5, 3))
    assert found.max() <= ends[0]
    assert network.numbers == kind
    if kind != "int16":
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        assert network.input_ends == ((low - zero) * STEP, (high - zero) * STEP)
    else:
        assert network.input_ends is None


def test_biases_without_a_scale_have_that_of_images_and_kernel(tmp_path: Path) -> None:
    given = exact(6, 5, 3)
    found = []
    for scaled in (True, False):
        path = convolved(tmp_path / "n.tflite", "int8", scaled_bias=scaled)
        found.append(outputs_of(read_tflite(path), given))
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(("scale", "layer"), [(6 / 255, 6.0), (1 / 16, None)])
def test_an_activation_that_is_only_in_the_range_is_there(
    scale: float, layer: float | None, tmp_path: Path
) -> None:
    """Converters leave out a ReLU where nothing below zero can be stored anyway."""
    path = convolved(tmp_path / "n.tflite", "int8", ends=(scale, -128))
    found, network = differences(path, exact(6, 5, 3))
    assert found.max() <= scale
    (made,) = [each for each in network.model.layers if type(each).__name__ == "ReLU"]
    assert made.max_value == layer


def test_weights_in_half_precision_are_read(tmp_path: Path) -> None:
    writer = Writer((4, 4, 3))
    packed = writer.constant(np.random.default_rng(0).normal(size=(5, 48)).astype(np.float16))
    weights = writer.add("DEQUANTIZE", packed)
    path = writer.save(
        tmp_path / "n.tflite",
        writer.add("FULLY_CONNECTED", writer.rows(0), weights, -1, options="FullyConnectedOptions"),
    )
    found, network = differences(path, images(4, 4, 3))
    assert found.max() < 1e-5
    assert (network.head, network.classes) == ("logits", 5)


def test_an_image_of_bytes_may_be_cast_or_have_another_scale(tmp_path: Path) -> None:
    writer = Writer((4, 4, 3), "uint8")
    cast = writer.add("CAST", 0, options="CastOptions", inDataType=3, outDataType=0)
    path = writer.save(tmp_path / "n.tflite", writer.rows(writer.add("TANH", cast)))
    given = np.random.default_rng(0).integers(0, 255, (2, 4, 4, 3)).astype(np.float32)
    found, network = differences(path, given)
    assert found.max() < 1e-6
    assert (network.numbers, network.input_ends) == ("uint8", None)

    writer = Writer((4, 4, 3), "uint8", STEP, 128)
    signed = writer.add("QUANTIZE", 0, made=writer.tensor((), "int8", STEP, 0))
    path = writer.save(tmp_path / "m.tflite", writer.rows(writer.add("DEQUANTIZE", signed)))
    assert differences(path, exact(4, 4, 3))[0].max() == 0
