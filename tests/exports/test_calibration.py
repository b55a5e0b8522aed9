from collections.abc import Generator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig, InversionConfig
from kextract.datasets.images import unscale
from kextract.exports.calibration import calibration_images, most_confident, procedural_images
from kextract.methods.base import MethodContext
from kextract.methods.shapes import draw_shapes
from kextract.models.batch_norm import frozen
from kextract.models.build import build_model
from kextract.records import Event, Progress
from tests.methods.generators import network

SMALL = InversionConfig(generator_channels=2, latent_size=4, synthesis_batch_size=16)


def context(name: str, seed: int = 0) -> MethodContext:
    """Of a small network with batch normalization, or of a LeNet-5 without."""
    model = network() if name == "normalized" else build_model(name, (16, 16, 1), 3, seed=5)
    config = DistillConfig(method="inversion", inversion=SMALL, seed=seed, precision="float32")
    return MethodContext(frozen(model, batch_statistics=False), model, None, config)


def drawn(events: Generator[Event, None, Any]) -> tuple[Any, list[Event]]:
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return end.value, seen


@pytest.fixture(scope="module")
def seventy() -> dict[str, tuple[Any, list[Event]]]:
    """Images for a network with batch normalization and for one without, and what was told."""
    return {
        name: drawn(calibration_images(context(name), 70, steps=2))
        for name in ("normalized", "lenet5-half")
    }


@pytest.mark.parametrize("name", ["normalized", "lenet5-half"])
def test_as_many_images_are_drawn_as_are_requested(
    name: str, seventy: dict[str, tuple[Any, list[Event]]]
) -> None:
    images, events = seventy[name]
    assert (images.shape, images.dtype) == ((70, 16, 16, 1), np.uint8)
    assert len(np.unique(images.reshape(70, -1), axis=0)) == 70
    assert any(isinstance(event, Progress) for event in events)


def test_half_of_the_images_are_shapes_that_keep_features_in_a_wider_range(
    seventy: dict[str, tuple[Any, list[Event]]],
) -> None:
    with_shapes, _ = seventy["normalized"]
    shapes, _ = drawn(procedural_images(context("normalized"), 35))
    common = {image.tobytes() for image in with_shapes} & {image.tobytes() for image in shapes}
    assert len(common) == 35


def test_without_batch_normalization_shapes_are_kept_that_the_network_is_sure_of(
    seventy: dict[str, tuple[Any, list[Event]]],
) -> None:
    given = context("lenet5-half")
    images, _ = seventy["lenet5-half"]

    def confidence(pixels: Any) -> float:
        assert given.teacher is not None
        logits = given.teacher(pixels.astype(np.float32) / 127.5 - 1)
        return float(keras.ops.softmax(logits).numpy().max(axis=1).mean())

    any_shapes = unscale(draw_shapes((512, 16, 16, 1), tf.constant([1, 2])).numpy())
    assert confidence(images) > confidence(any_shapes) + 0.01


def test_of_every_class_the_most_confident_are_kept_and_of_none_one_twice() -> None:
    rising = np.linspace(0.55, 0.95, 9)
    first = np.stack([rising, 1 - rising, np.zeros(9)], axis=1)
    second = np.array([[0.4, 0.6, 0.0]])
    kept = most_confident(np.concatenate([first, second]), 6)
    # Two of the class 0, the only one of class 1, none of class 2; then what is surest.
    assert kept.tolist() == [8, 7, 9, 6, 5, 4]


def test_a_seed_repeats_the_images_and_another_gives_others() -> None:
    first, again, other = (
        drawn(calibration_images(context("lenet5-half", seed), 20, steps=1))[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
