import keras
import numpy as np

from kextract.models import cost
from kextract.models.cost import at_once, in_batches, parts


def network(side: int, channels: int = 8) -> keras.Model:
    """Make two features of `channels` numbers per pixel, one of as many, and one of two."""
    image = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(image)
    x = keras.layers.ReLU()(x)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


def test_small_images_come_in_batches_of_the_usual_size() -> None:
    assert at_once(network(64, channels=4096), 500, all_held=True) == 500
    assert at_once((64, 64, 3), 500) == 500


def test_of_large_images_there_are_as_many_as_there_is_memory_for() -> None:
    # Per image: the input, two features, their means and two logits, in float32.
    largest = 4 * (100 * 100 * (3 + 2 * 64) + 64)
    assert at_once(network(100, 64), 500) == cost.MEMORY // largest
    assert at_once(network(100, 64), 500, all_held=True) == cost.MEMORY // (largest + 8)
    assert at_once(network(100, 64), 10) == 10


def test_what_is_held_until_there_is_a_gradient_takes_more_than_what_is_passed_on() -> None:
    image = x = keras.Input((80, 80, 1))
    for _ in range(20):
        x = keras.layers.Conv2D(32, 3, padding="same")(x)
    deep = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    assert at_once(deep, 10_000) > 4 * at_once(deep, 10_000, all_held=True)


def test_features_of_networks_inside_a_network_are_counted() -> None:
    inside = network(100, 64)
    around = keras.Sequential([keras.Input((100, 100, 3)), inside])
    assert at_once(around, 500) <= at_once(inside, 500)


def test_outputs_come_in_the_order_of_the_images() -> None:
    images = np.arange(7).reshape(7, 1)
    assert [len(part) for part in parts(images, 3)] == [3, 3, 1]
    np.testing.assert_array_equal(in_batches(lambda part: 2 * part, images, 3), 2 * images)
