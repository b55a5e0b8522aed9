from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.methods.base import MethodContext
from kextract.methods.shapes import draw_shapes, drawn_at_once, most_confident
from kextract.records import Progress
from tests.methods.examples import made
from tests.training.examples import SHAPE


def drawn(*shape: int, seed: int = 0) -> Any:
    count, height, width, channels = shape
    return draw_shapes((count, height, width, channels), tf.constant([seed, 1])).numpy()


def test_neighbouring_pixels_belong_together_unlike_those_of_noise() -> None:
    images = drawn(400, 28, 28, 1)
    centred = images - images.mean()
    neighbours = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
    assert neighbours > 0.7


def test_a_coloured_shape_has_two_colours_and_what_lies_between() -> None:
    """All colours of an image are on the line from ground to paint, so they vary in one way."""
    image = drawn(1, 32, 32, 3).reshape(-1, 3).astype(np.float64)
    values = np.linalg.svd(image - image.mean(axis=0), compute_uv=False)
    assert values[1] < 1e-3 * values[0]


def test_the_seed_decides_the_shapes() -> None:
    np.testing.assert_array_equal(drawn(8, 16, 16, 1), drawn(8, 16, 16, 1))
    assert not np.array_equal(drawn(8, 16, 16, 1), drawn(8, 16, 16, 1, seed=1))


def test_the_most_confident_of_every_class_are_chosen() -> None:
    logits = tf.constant([[3.0, 0], [0, 1], [1, 0], [0, 4], [2, 0], [0, 2]])
    assert sorted(most_confident(logits, 4).numpy().tolist()) == [0, 3, 4, 5]


def test_a_pool_is_drawn_anew_every_500_updates_and_does_not_depend_on_the_one_before() -> None:
    first, second = (made(method="shapes", steps_per_epoch=250) for _ in range(2))
    events = [list(first.refresh(epoch, step)) for epoch, step in ((1, 0), (2, 249), (3, 0))]
    assert [len(of_one) for of_one in events] == [16, 0, 16]
    assert all(isinstance(event, Progress) for event in events[0])
    list(second.refresh(3, 0))
    np.testing.assert_array_equal(first.batch().images, second.batch().images)
    assert first.batch().images.shape == (8, *SHAPE)


@pytest.mark.parametrize(("side", "candidates"), [(64, 1), (64, 4), (224, 1), (224, 4)])
def test_large_shapes_are_drawn_a_few_at_a_time(side: int, candidates: int) -> None:
    image = keras.Input((side, side, 3))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image)))
    config = DistillConfig(method="shapes", candidates=candidates)
    size = drawn_at_once(MethodContext(None, model, None, config))
    if side == 64:
        assert size == 1024
    else:
        # A drawing takes some twenty numbers per pixel.
        assert 1 <= size * candidates * 20 * 4 * side**2 < 256 << 20
