import numpy as np
import pytest

from kextract.config import DistillConfig, QueryConfig
from kextract.methods.candidates import (
    Candidates,
    GivenCandidates,
    LeafCandidates,
    ShapeCandidates,
    fingerprint,
    make_candidates,
)
from tests.datasets.images import random_images

GREY, COLOUR = (8, 8, 1), (8, 8, 3)


def drawn(candidates: Candidates, count: int, known: set[int] | None = None) -> list[bytes]:
    list(candidates.begin(1))
    images = candidates.draw(np.random.default_rng(0), count, known or set())
    assert images.dtype == np.uint8 and len(images) == count
    return [image.tobytes() for image in images]


@pytest.mark.parametrize(
    ("shape", "named", "kind"),
    [
        (GREY, None, ShapeCandidates),
        ((48, 48, 1), None, LeafCandidates),
        (COLOUR, None, LeafCandidates),
        (GREY, "leaves", LeafCandidates),
        (COLOUR, "shapes", ShapeCandidates),
    ],
)
def test_questions_are_leaves_for_photographs_and_shapes_for_drawings_unless_requested_otherwise(
    shape: tuple[int, int, int], named: str | None, kind: type
) -> None:
    config = DistillConfig(method="queries", queries=QueryConfig(questions=named))
    assert type(make_candidates(config, shape, None)) is kind


def test_given_images_are_asked_about_whatever_their_colours() -> None:
    config = DistillConfig(method="queries")
    assert type(make_candidates(config, COLOUR, random_images(5, *COLOUR))) is GivenCandidates


def kind_of(name: str) -> Candidates:
    if name == "shapes":
        return ShapeCandidates(COLOUR)
    if name == "leaves":
        return LeafCandidates(COLOUR, 0, 100)
    return GivenCandidates(random_images(3, 32, 32, 3), COLOUR)


@pytest.mark.parametrize("kind", ["shapes", "leaves", "images"])
def test_candidates_follow_from_the_random_numbers_and_none_comes_twice(kind: str) -> None:
    candidates = kind_of(kind)
    first = drawn(candidates, 40)
    assert list(candidates.begin(1)) == [], "everything was made at the first begin"
    assert drawn(candidates, 40) == first
    assert len(set(first)) == 40


def test_given_images_come_as_they_are_while_there_are_enough() -> None:
    images = random_images(50, *COLOUR)
    assert set(drawn(GivenCandidates(images, COLOUR), 40)) < {image.tobytes() for image in images}


def test_where_there_are_too_few_each_comes_once_beside_crops() -> None:
    images = random_images(7, *COLOUR)
    given = {image.tobytes() for image in images}
    found = drawn(GivenCandidates(images, COLOUR), 40)
    assert set(found[:7]) == given
    assert not given & set(found[7:])


def test_an_image_that_was_asked_about_does_not_come_again() -> None:
    images = random_images(7, *COLOUR)
    known = {fingerprint(image) for image in images[:5]}
    found = drawn(GivenCandidates(images, COLOUR), 40, known)
    assert set(found[:2]) == {image.tobytes() for image in images[5:]}
    assert not {image.tobytes() for image in images[:5]} & set(found)


def test_two_given_images_that_are_alike_count_as_one() -> None:
    images = np.repeat(random_images(1, *COLOUR), 9, axis=0)
    assert len(set(drawn(GivenCandidates(images, COLOUR), 4))) == 4


def test_large_images_come_smaller_and_crops_of_them_show_a_part() -> None:
    """The left half of the picture is black and the right half white."""
    picture = np.zeros((1, 128, 128, 3), np.uint8)
    picture[:, :, 64:] = 255
    candidates = GivenCandidates(picture, COLOUR)
    crops = candidates.draw(np.random.default_rng(1), 400, set())
    whole, parts = crops[0], crops[1:]
    assert whole[:, :3].max() == 0 and whole[:, 5:].min() == 255
    plain = (parts.std(axis=(1, 2, 3)) < 1).mean()
    assert 0.1 < plain < 0.9


def test_crops_of_a_rare_class_are_cut_more_often_once_predictions_are_observed() -> None:
    """Of a black picture with one white corner, white crops are rare."""
    picture = np.zeros((1, 128, 128, 3), np.uint8)
    picture[:, :24, :24] = 255
    candidates, random = GivenCandidates(picture, COLOUR), np.random.default_rng(0)

    def share_of_white() -> float:
        images = candidates.draw(random, 1000, set())
        white = images.mean(axis=(1, 2, 3)) / 255
        candidates.observe(np.stack([white, 1 - white], axis=1))
        return float((white > 0.5).mean())

    first = share_of_white()
    assert 0 < first < 0.1
    assert np.mean([share_of_white() for _ in range(3)]) > 2 * first
    candidates.begin(1)
    assert share_of_white() < 1.5 * first
