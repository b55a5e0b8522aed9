from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig, InversionConfig
from kextract.exports.calibration import calibration_images, most_confident
from kextract.methods.base import MethodContext
from kextract.models.architectures import build_model
from kextract.models.batch_norm import frozen
from kextract.records import Event, Progress
from tests.common import finished
from tests.methods.generators import network

SMALL = InversionConfig(generator_channels=2, latent_size=4, synthesis_batch_size=16)


def context(name: str, seed: int = 0) -> MethodContext:
    """Of a small network with batch normalization, or of a LeNet-5 without."""
    model = network() if name == "normalized" else build_model(name, (16, 16, 1), 3, seed=5)
    config = DistillConfig(method="inversion", inversion=SMALL, seed=seed, precision="float32")
    return MethodContext(frozen(model, batch_statistics=False), model, None, config)


@pytest.fixture(scope="module")
def seventy() -> dict[str, tuple[Any, list[Event]]]:
    """Images for a network with batch normalization and for one without, and what was told."""
    return {
        name: finished(calibration_images(context(name), 70, steps=2))
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


def test_of_every_class_the_most_confident_are_kept_and_of_none_one_twice() -> None:
    rising = np.linspace(0.55, 0.95, 9)
    first = np.stack([rising, 1 - rising, np.zeros(9)], axis=1)
    second = np.array([[0.4, 0.6, 0.0]])
    kept = most_confident(np.concatenate([first, second]), 6)
    # Two of the class 0, the only one of class 1, none of class 2; then what is surest.
    assert kept.tolist() == [8, 7, 9, 6, 5, 4]
