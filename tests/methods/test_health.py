from typing import Any

import keras
import numpy as np
import pytest

from kextract.methods.stored import Health, diversity, is_collapsed

SIDE = 4


def probabilities_by_brightness() -> Any:
    """A teacher whose three logits are 4 b, 0 and -4 b for the brightness b of -1 to 1."""
    images = keras.Input((SIDE, SIDE, 1))
    brightness = keras.layers.GlobalAveragePooling2D()(images)
    logits = keras.layers.Dense(3, use_bias=False)(brightness)
    model = keras.Model(images, logits)
    model.set_weights([np.array([[4.0, 0.0, -4.0]], np.float32)])
    return model


def shades(*levels: int) -> Any:
    images = np.reshape(levels, (-1, 1, 1, 1)).repeat(SIDE, axis=1).repeat(SIDE, axis=2)
    return images.astype(np.uint8)


def probabilities_of(levels: Any) -> Any:
    brightness = (np.array(levels) - 127.5) / 127.5
    powers = np.exp(np.outer(brightness, [4.0, 0.0, -4.0]))
    return powers / powers.sum(axis=1, keepdims=True)


LEVELS = (255, 255, 250, 200, 0, 128)


@pytest.fixture(scope="module")
def health() -> Health:
    return Health(probabilities_by_brightness())


def test_entropy_is_that_of_the_mean_probabilities_as_a_share_of_the_largest(
    health: Health,
) -> None:
    mean = probabilities_of(LEVELS).mean(axis=0)
    expected = -(mean * np.log(mean)).sum() / np.log(3)
    assert health.of(shades(*LEVELS), 0)["entropy"] == pytest.approx(expected, rel=1e-5)


def test_class_shares_are_those_of_the_predictions(health: Health) -> None:
    """A level of 128 is 0.004 bright, which is class 0 by a hair."""
    metrics = health.of(shades(*LEVELS), 0)
    shares = [metrics[f"class_shares/{number}"] for number in range(3)]
    assert shares == pytest.approx([5 / 6, 0.0, 1 / 6])


def images_of(*levels: float) -> Any:
    return np.reshape(levels, (-1, 1, 1, 1)).astype(np.float32).repeat(2, axis=1)


def test_diversity_weighs_classes_by_their_images() -> None:
    """Class 0 spreads by 0.5 over two images, class 1 by 0 over four."""
    images = images_of(-0.5, 0.5, 0.1, 0.1, 0.1, 0.1)
    found = diversity(images, np.array([0, 0, 1, 1, 1, 1]))
    assert found == pytest.approx((2 * 0.5 + 4 * 0.0) / 6)


def test_where_no_class_has_two_images_the_spread_is_that_of_all() -> None:
    """As with a thousand classes, of which 500 images show each once at most."""
    assert diversity(images_of(-0.5, 0.5), np.array([3, 7])) == pytest.approx(0.5)


def metrics(entropy: float = 0.9, diversity: float = 0.3) -> dict[str, float]:
    return {"entropy": entropy, "diversity": diversity}


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (metrics(), False),
        (metrics(entropy=0.4), True),
        (metrics(diversity=0.01), True),
    ],
)
def test_a_generator_has_collapsed_where_either_metric_says_so(
    health: dict[str, float], expected: bool
) -> None:
    assert is_collapsed(health) == expected
