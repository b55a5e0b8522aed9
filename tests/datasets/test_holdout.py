"""Which images of a data set are trained with, and which are held out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config.requests import TrainRequest
from kextract.datasets.images import EVENLY, FIRST, Dataset, Holdout, classes_left_out, cut
from kextract.errors import CheckpointError, DatasetError
from kextract.runs.teacher import DRAWN, holdout_for
from tests.storage.examples import INFO


def sorted_by_class(per_class: int = 20, classes: int = 10) -> Dataset:
    """Images of which each is its own place, in the order of their classes."""
    labels = np.repeat(np.arange(classes), per_class)
    places = np.arange(len(labels), dtype=np.uint8)
    images = np.broadcast_to(places[:, None, None, None], (len(labels), 16, 16, 1))
    names = tuple("abcdefghij"[:classes])
    return Dataset("letters", images, labels, None, None, names)


def said(holdout: dict[str, Any]) -> Holdout:
    """What a checkpoint says of the images that it held out."""
    return replace(INFO, config={"holdout": holdout}).holdout


def test_a_limit_leaves_as_many_images_of_every_class() -> None:
    holdout = Holdout(limit=50, drawing=EVENLY)
    parts = [cut(sorted_by_class(), part, holdout) for part in ("train", "validation")]
    assert [len(part.x) for part in parts] == [45, 5]
    together = np.concatenate([part.y for part in parts])
    assert np.bincount(together).tolist() == [5] * 10


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(DatasetError, match="'letters' has no test images"):
        cut(sorted_by_class(), "test", Holdout())


def test_a_checkpoint_that_does_not_say_how_it_drew_has_the_first_images() -> None:
    holdout = said({"seed": 0, "fraction": 0.1, "limit": 50})
    parts = [cut(sorted_by_class(), part, holdout) for part in ("train", "validation")]
    places = np.concatenate([part.x[:, 0, 0, 0] for part in parts])
    assert sorted(places.tolist()) == list(range(50))


def test_a_checkpoint_says_how_it_drew_its_images() -> None:
    known = {"seed": 3, "fraction": 0.2, "limit": 50, "drawing": EVENLY}
    assert said(known) == Holdout(3, 0.2, 50, EVENLY)
    for wrong in ({"drawing": "backwards"}, {"fraction": 1.5}, {"limit": "all"}):
        with pytest.raises(CheckpointError, match="does not say which images"):
            said(known | wrong)


def test_an_unfinished_run_goes_on_with_the_images_it_began_with() -> None:
    request = TrainRequest(limit=50)
    assert holdout_for(request, None).drawing == EVENLY
    assert holdout_for(request, {"--limit": 50}).drawing == FIRST
    assert holdout_for(request, {"--limit": 50, DRAWN: EVENLY}).drawing == EVENLY


def test_classes_without_a_training_image_are_named() -> None:
    data = sorted_by_class(per_class=2)
    training = cut(data, "train", Holdout(limit=8, drawing=FIRST))
    (said,) = classes_left_out(training, data, 8)
    assert said.startswith("--limit 8 leaves no training image of ")
    assert said.endswith("e, f, g, h, i, j")
    assert not classes_left_out(cut(data, "train", Holdout()), data, None)
