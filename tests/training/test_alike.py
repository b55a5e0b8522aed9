from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import CheckpointError
from kextract.training.sanity import check_tells_apart, information

PATH, SHAPE = Path("mine.keras"), (16, 16, 3)


def test_information_is_that_of_classes_that_are_sure_and_even() -> None:
    assert information(np.eye(4) * 100) == pytest.approx(np.log(4))


def test_the_same_answer_to_all_tells_nothing() -> None:
    assert information(np.tile([0.3, 2.0, -1.0], (5, 1))) == pytest.approx(0, abs=1e-12)


def of_brightness(strength: float) -> Any:
    """A classifier that tells dark from bright images, more or less surely."""

    def answer(images: tf.Tensor) -> tf.Tensor:
        brightness = strength * tf.reduce_mean(images, axis=(1, 2, 3))
        return tf.stack([brightness, -brightness], axis=1)

    return answer


def test_a_classifier_that_tells_images_apart_is_fine() -> None:
    check_tells_apart(of_brightness(3.0), PATH, SHAPE, "-1..1")


def test_one_that_hardly_moves_is_refused_with_what_to_try() -> None:
    with pytest.raises(CheckpointError) as caught:
        check_tells_apart(of_brightness(0.02), PATH, SHAPE, "-1..1")
    line = str(caught.value)
    assert "'mine.keras': takes all images for nearly the same (confidence 0.50)" in line
    assert line.endswith("try --input-range with 0..255, 0..1, imagenet, caffe, per-image")


def test_names_for_coloured_images_are_not_proposed_for_grey_ones() -> None:
    with pytest.raises(CheckpointError, match=r"with 0\.\.255, -1\.\.1, per-image$"):
        check_tells_apart(of_brightness(0.02), PATH, (16, 16, 1), "0..1")
