import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from kextract.models.architectures import (
    build_model,
    fastest_precision,
    student_seed,
    weights_drawn_by,
)
from kextract.models.blocks import Blocks


@pytest.fixture(autouse=True)
def _policy_of_the_process() -> Iterator[None]:
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def weights(seed: int) -> list[Any]:
    found: list[Any] = build_model("tiny", (16, 16, 1), 3, seed=seed).get_weights()
    return found


def kernels(seed: int) -> list[Any]:
    """The weights that are drawn at random: all others begin at 0 or 1."""
    return [value for value in weights(seed) if value.ndim > 1]


def test_bfloat16_answers_nearly_as_float32() -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)
    exact, rounded = (
        build_model("wrn-16-1", (16, 16, 3), 5, precision=precision)(images).numpy()
        for precision in ("float32", "bfloat16")
    )
    # bfloat16 keeps 8 binary digits; 16 layers of rounding stay within a few of the last.
    np.testing.assert_allclose(rounded, exact, atol=16 * 2**-8 * np.abs(exact).max())
    assert not np.array_equal(rounded, exact)


def test_a_student_never_begins_where_its_teacher_began() -> None:
    for teacher, student in zip(kernels(0), kernels(student_seed(0)), strict=True):
        assert (teacher != student).mean() > 0.99


@pytest.mark.parametrize(
    ("name", "penalized"),
    [
        ("resnet11", lambda layer: isinstance(layer, keras.layers.Conv2D)),
        ("lenet5", lambda layer: layer.name != "logits" and hasattr(layer, "kernel")),
    ],
)
def test_the_weight_penalty_is_l2_on_kernels_before_the_classifier(
    name: str, penalized: Any
) -> None:
    model = build_model(name, (16, 16, 1), 3, weight_decay=0.01)
    kernels = [layer.kernel.numpy() for layer in model.layers if penalized(layer)]
    expected = 0.01 * sum(float((kernel.astype(np.float64) ** 2).sum()) for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("pooling", ["article", "global"])
def test_both_poolings_are_the_same_on_the_article_s_images(pooling: str) -> None:
    """On 32x32 images the last map is 8x8, so averages of 8x8 places are averages of all."""
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    model = build_model("resnet11", (32, 32, 3), 4, pooling=pooling)
    maps = keras.Model(model.input, model.get_layer("pooling").input)(images).numpy()
    classifier = model.get_layer("dense")
    expected = maps.mean(axis=(1, 2)) @ classifier.kernel.numpy() + classifier.bias.numpy()
    np.testing.assert_allclose(model(images).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_networks_that_bfloat16_would_slow_down_are_computed_in_float32() -> None:
    of_this_machine = fastest_precision("auto", None)
    for name in ("resnet11", "wrn-16-1@1.5"):
        assert fastest_precision("auto", name) == of_this_machine
    for name in ("wrn-16-1@0.5", "tiny"):
        assert fastest_precision("auto", name) == "float32"
    assert fastest_precision("bfloat16", "tiny") == "bfloat16"


def test_a_narrow_strided_convolution_sees_every_second_pixel() -> None:
    inputs = keras.Input((5, 6, 3))
    model = keras.Model(inputs, Blocks(0.0).convolution(inputs, 2, 1, stride=2))
    images = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    expected = images[:, ::2, ::2] @ model.get_weights()[0][0, 0]
    np.testing.assert_allclose(model(images), expected, rtol=1e-5, atol=1e-6)


def test_weights_are_drawn_as_keras_draws_them_and_nobody_else_s_numbers_are_moved() -> None:
    layer = keras.layers.Dense
    keras.utils.set_random_seed(7)
    expected = keras.Sequential([keras.Input((3,)), layer(4), layer(2)]).get_weights()
    random.seed(5)
    np.random.seed(5)
    with weights_drawn_by(7):
        found = keras.Sequential([keras.Input((3,)), layer(4), layer(2)]).get_weights()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert random.random() == random.Random(5).random()
    build_model("tiny", (16, 16, 1), 3)
    assert np.random.random() == np.random.RandomState(5).random()
