import numpy as np
import pytest
import tensorflow as tf

from kextract.methods.base import Method
from kextract.methods.canvases import CROP_PARAMETERS
from kextract.methods.crops import NEAREST, class_balanced, like_missing_classes
from kextract.records import Event, Progress
from tests.methods.examples import made
from tests.training.examples import SHAPE, tiny_network


def predicted(*classes: int, confidence: float = 0.8) -> np.ndarray:
    """Probabilities over three classes, one row for each of these classes."""
    probabilities = np.full((len(classes), 3), (1 - confidence) / 2, np.float32)
    probabilities[np.arange(len(classes)), classes] = confidence
    return probabilities


@pytest.fixture(scope="module")
def filled() -> tuple[Method, list[Event]]:
    """A method whose batches show all of its pool as it is, and the events of filling it."""
    method = made(tiny_network(1), method="leaves", leaves=40, batch_size=4000)
    return method, list(method.refresh(1, 0))


def test_batches_are_images_of_the_teacher_s_size_in_the_pixel_range(
    filled: tuple[Method, list[Event]],
) -> None:
    images = filled[0].batch().images
    assert images.shape == (4000, *SHAPE) and images.dtype == tf.float32
    assert np.abs(images.numpy()).max() <= 1.0
    assert len({image.tobytes() for image in images.numpy()}) == 40


def test_the_pool_is_filled_once_and_yields_its_progress_to_the_end(
    filled: tuple[Method, list[Event]],
) -> None:
    method, events = filled
    progress = [event for event in events if isinstance(event, Progress)]
    last = {event.phase: (event.done, event.total) for event in progress}
    # Forty crops, and four searches for half as many.
    assert last == {"painting canvases": (1, 1), "cutting crops": (120, 120)}
    assert list(method.refresh(1, 0)) == [] and list(method.refresh(2, 0)) == []


def test_a_resumed_run_fills_the_same_pool(filled: tuple[Method, list[Event]]) -> None:
    first, second = filled[0], made(method="leaves", leaves=40, batch_size=4000)
    for method in (first, second):
        list(method.refresh(2, 1))
    np.testing.assert_array_equal(first.batch().images, second.batch().images)
    assert first.metrics() == second.metrics()
    assert first.state() == {}


def test_as_many_are_chosen_of_each_class_where_there_are_enough() -> None:
    probabilities = predicted(*[0] * 20, *[1] * 6, *[2] * 4)
    places = class_balanced(np.random.default_rng(0), probabilities, 12)
    assert np.bincount(probabilities[places].argmax(axis=1)).tolist() == [4, 4, 4]
    assert len(set(places)) == 12


def test_a_missing_class_gets_the_images_with_its_highest_probabilities() -> None:
    probabilities = predicted(*[0] * 10)
    probabilities[3] = (0.5, 0.4, 0.1)
    probabilities[7] = (0.5, 0.1, 0.4)
    assert {3, 7} <= set(class_balanced(np.random.default_rng(0), probabilities, 3))


def test_the_search_stays_near_the_crops_that_came_nearest_to_the_missing_class() -> None:
    parameters = np.full((3 * NEAREST, CROP_PARAMETERS), 0.9)
    parameters[:NEAREST] = 0.3
    probabilities = predicted(*[0] * NEAREST, *[0] * NEAREST, *[1] * NEAREST)
    probabilities[:NEAREST] = (0.5, 0.1, 0.4)
    near = like_missing_classes(np.random.default_rng(0), parameters, probabilities, 30)
    assert near.shape == (30, CROP_PARAMETERS)
    assert np.abs(near - 0.3).max() < 0.3


def test_without_a_missing_class_new_crops_are_drawn_anywhere() -> None:
    parameters = np.full((6, CROP_PARAMETERS), 0.5)
    even = predicted(0, 1, 2, 2, 1, 0)
    spread = like_missing_classes(np.random.default_rng(0), parameters, even, 400)
    assert spread.std() == pytest.approx(12**-0.5, abs=0.02)
