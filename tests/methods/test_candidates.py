from pathlib import Path

import numpy as np
import pytest

from kextract.config import DistillConfig, QueryConfig
from kextract.errors import RequestError
from kextract.methods.candidates import (
    Candidates,
    CurveCandidates,
    GivenCandidates,
    PaintedCandidates,
    ShapeCandidates,
    make_candidates,
)
from kextract.teachers.asking import heading_of
from kextract.teachers.ledger import Ledger, open_ledger
from tests.datasets.images import random_images
from tests.teachers.examples import Brightness

GREY, COLOUR = (8, 8, 1), (8, 8, 3)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Canvases that are painted at once, two of them."""
    monkeypatch.setattr("kextract.methods.canvases.CANVAS_SIDE", 32)
    monkeypatch.setattr("kextract.methods.candidates.MOST_CANVASES", 2)


def drawn(
    candidates: Candidates, count: int, known: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Recipes of a round."""
    list(candidates.begin(1, 100))
    nothing = np.zeros((0, candidates.source.numbers), np.uint32)
    random = np.random.default_rng(seed)
    recipes = candidates.draw(random, count, nothing if known is None else known)
    assert recipes.shape == (count, candidates.source.numbers) and recipes.dtype == np.uint32
    return recipes


def images(candidates: Candidates, count: int, known: np.ndarray | None = None) -> list[bytes]:
    made = candidates.make(drawn(candidates, count, known))
    assert made.dtype == np.uint8 and len(made) == count
    return [image.tobytes() for image in made]


def ledger(folder: Path, shape: tuple[int, int, int], *asked: Candidates) -> Ledger:
    """A ledger with one question to a teacher of images of that shape, where somebody asks."""
    teacher = Brightness()
    teacher.input_shape = shape
    opened = open_ledger(folder / "x.ledger.db", heading_of(teacher), 10)
    for candidates in asked:
        opened.begin(candidates.source, candidates.make)
        opened.ask(drawn(candidates, 1))
    return opened


@pytest.mark.parametrize(
    ("shape", "named", "kind"),
    [
        (GREY, None, CurveCandidates),
        ((48, 48, 1), None, PaintedCandidates),
        (COLOUR, None, PaintedCandidates),
        (COLOUR, "shapes", ShapeCandidates),
    ],
)
def test_questions_are_leaves_for_photographs_and_curves_for_drawings_unless_requested_otherwise(
    shape: tuple[int, int, int], named: str | None, kind: type, tmp_path: Path
) -> None:
    config = DistillConfig(method="queries", queries=QueryConfig(questions=named))
    with ledger(tmp_path, shape) as empty:
        assert type(make_candidates(config, shape, None, empty)) is kind


def test_a_ledger_is_continued_by_what_made_it_whatever_the_seed_of_the_run(tmp_path: Path) -> None:
    with ledger(tmp_path, COLOUR, ShapeCandidates(COLOUR, 7)) as full:
        made = make_candidates(DistillConfig(method="queries", seed=1), COLOUR, None, full)
        assert made.source == ShapeCandidates(COLOUR, 7).source


@pytest.mark.parametrize(
    ("asked", "named", "given", "says"),
    [
        ("shapes", "leaves", None, "are shapes, .* pass --questions shapes"),
        ("images", None, 4, "are images, .* pass --images with the same images"),
    ],
)
def test_a_ledger_of_other_questions_is_refused(
    asked: str, named: str | None, given: int | None, says: str, tmp_path: Path
) -> None:
    config = DistillConfig(method="queries", queries=QueryConfig(questions=named))
    canvases = None if given is None else random_images(given, 32, 32, 3)
    with (
        ledger(tmp_path, COLOUR, kind_of(asked)) as full,
        pytest.raises(RequestError, match=f"^--ledger: .*{says}.*another file$"),
    ):
        make_candidates(config, COLOUR, canvases, full)


def kind_of(name: str) -> Candidates:
    if name == "shapes":
        return ShapeCandidates(COLOUR, 0)
    if name == "curves":
        return CurveCandidates(COLOUR, 0)
    if name == "scenes":
        return PaintedCandidates("scenes", COLOUR, 0)
    return GivenCandidates(random_images(3, 32, 32, 3), COLOUR)


@pytest.mark.parametrize("kind", ["shapes", "curves", "scenes", "images"])
def test_candidates_follow_from_the_random_numbers_and_none_comes_twice(kind: str) -> None:
    candidates = kind_of(kind)
    first = images(candidates, 40)
    assert list(candidates.begin(1, 100)) == [], "everything was made at the first begin"
    assert images(candidates, 40) == first
    assert len(set(first)) == 40


@pytest.mark.parametrize("kind", ["shapes", "curves", "scenes", "images"])
def test_an_image_is_made_of_its_recipe_alone(kind: str) -> None:
    """By another run, in another order, beside others or alone, and whatever the numbers are."""
    recipes = drawn(kind_of(kind), 40)
    recipes[:3] = [[0], [2**32 - 1], [12345]]
    made = kind_of(kind).make(recipes)
    order = np.random.default_rng(1).permutation(40)
    again = kind_of(kind)
    np.testing.assert_array_equal(again.make(recipes[order]), made[order])
    np.testing.assert_array_equal(again.make(recipes[7:8]), made[7:8])
    assert again.make(recipes[:0]).shape == (0, *COLOUR)


def test_an_image_that_was_asked_about_does_not_come_again() -> None:
    given = random_images(7, *COLOUR)
    candidates = GivenCandidates(given, COLOUR)
    known = drawn(candidates, 5)
    asked = {image.tobytes() for image in candidates.make(known)}
    found = images(candidates, 40, known)
    assert set(found[:2]) == {image.tobytes() for image in given} - asked
    assert not asked & set(found)


def test_crops_of_a_rare_class_are_cut_more_often_once_predictions_are_observed() -> None:
    """Of a black picture with one white corner, white crops are rare."""
    picture = np.zeros((1, 128, 128, 3), np.uint8)
    picture[:, :24, :24] = 255
    candidates, random = GivenCandidates(picture, COLOUR), np.random.default_rng(0)

    def share_of_white() -> float:
        recipes = candidates.draw(random, 1000, np.ones((1, 29), np.uint32))
        white = candidates.make(recipes).mean(axis=(1, 2, 3)) / 255
        candidates.observe(recipes, np.stack([white, 1 - white], axis=1))
        return float((white > 0.5).mean())

    first = share_of_white()
    assert 0 < first < 0.1
    assert np.mean([share_of_white() for _ in range(3)]) > 2 * first
    candidates.begin(1, 100)
    assert share_of_white() < 1.5 * first
