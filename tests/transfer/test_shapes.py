from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.models.frozen import frozen
from kextract.records import Progress
from kextract.transfer import shapes
from kextract.transfer.shapes import RandomShapes, draw_shapes, most_confident
from kextract.transfer.source import SourceContext
from tests.training.examples import SHAPE, tiny_network

CONFIG = DistillConfig(method="shapes", steps_per_epoch=3, batch_size=8, precision="float32")


def drawn(*shape: int, seed: int = 0) -> Any:
    count, height, width, channels = shape
    return draw_shapes((count, height, width, channels), tf.constant([seed, 1])).numpy()


def source(**changes: Any) -> RandomShapes:
    teacher = tiny_network(1)
    classifier = frozen(teacher, batch_statistics=False)
    return RandomShapes(
        SourceContext(classifier, teacher, tiny_network(2), replace(CONFIG, **changes))
    )


@pytest.fixture(autouse=True)
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "DRAWN_AT_ONCE", 24)
    monkeypatch.setattr(shapes, "POOL", 2)
    monkeypatch.setattr(shapes, "POOL_UPDATES", 4)


@pytest.mark.parametrize("shape", [(40, 28, 28, 1), (3, 17, 30, 1), (40, 32, 32, 3)])
def test_shapes_are_images_in_the_pixel_range(shape: tuple[int, int, int, int]) -> None:
    images = drawn(*shape)
    assert images.shape == shape and images.dtype == np.float32
    assert np.abs(images).max() <= 1.0


def test_neighbouring_pixels_belong_together_unlike_those_of_noise() -> None:
    images = drawn(400, 28, 28, 1)
    centred = images - images.mean()
    neighbours = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
    assert neighbours > 0.7


def test_as_many_shapes_are_dark_on_bright_as_bright_on_dark() -> None:
    assert drawn(2000, 16, 16, 1).mean() == pytest.approx(0.0, abs=0.06)


def test_a_coloured_shape_has_two_colours_and_what_lies_between() -> None:
    """All colours of an image are on the line from ground to paint, so they vary in one way."""
    image = drawn(1, 32, 32, 3).reshape(-1, 3).astype(np.float64)
    values = np.linalg.svd(image - image.mean(axis=0), compute_uv=False)
    assert values[1] < 1e-3 * values[0]


def test_the_seed_decides_the_shapes() -> None:
    np.testing.assert_array_equal(drawn(8, 16, 16, 1), drawn(8, 16, 16, 1))
    assert not np.array_equal(drawn(8, 16, 16, 1), drawn(8, 16, 16, 1, seed=1))


def test_the_surest_answers_of_every_class_are_chosen() -> None:
    logits = tf.constant([[3.0, 0], [0, 1], [1, 0], [0, 4], [2, 0], [0, 2]])
    assert sorted(most_confident(logits, 4).numpy().tolist()) == [0, 3, 4, 5]


def test_a_class_that_nothing_is_answered_with_is_filled_up_with_others() -> None:
    places = most_confident(tf.constant([[3.0, 0], [2, 0], [1, 0]]), 3).numpy()
    assert len(places) == 3 and set(places) <= {0, 1, 2}


def test_chosen_shapes_are_surer_and_of_all_classes() -> None:
    teacher = tiny_network(1)
    confidences = []
    for candidates in (1, 8):
        some = source(candidates=candidates, batch_size=200)
        list(some.refresh(1, 0))
        probabilities = tf.nn.softmax(teacher(some.batch(), training=False)).numpy()
        confidences.append(probabilities.max(axis=-1).mean())
    assert confidences[1] > confidences[0]


def test_a_pool_is_drawn_anew_when_it_is_time_and_its_progress_is_told() -> None:
    some = source()
    counts = [len(list(some.refresh(1 + step // 3, step % 3))) for step in range(6)]
    assert counts == [2, 0, 0, 0, 2, 0]
    assert all(isinstance(event, Progress) for event in some.refresh(9, 0))


def test_batches_do_not_depend_on_what_was_drawn_before() -> None:
    first, second = source(), source()
    list(first.refresh(1, 0))
    for some in (first, second):
        list(some.refresh(2, 2))
    np.testing.assert_array_equal(first.batch(), second.batch())
    assert first.batch().shape == (8, *SHAPE)
