from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.transfer.stored import StoredImages, sample

SHAPE = (16, 17, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, *SHAPE), dtype=np.uint8)
PLAIN = DistillConfig(batch_size=40)


def pixels(batch: Any) -> Any:
    """Back to 256 levels."""
    exact = (batch.numpy().astype(np.float64) + 1) * 127.5
    rounded = np.rint(exact)
    np.testing.assert_allclose(exact, rounded, atol=1e-3)
    return rounded.astype(np.uint8)


def places(batch: Any) -> list[int]:
    """Which of the images each of a batch is."""
    found = []
    for image in pixels(batch):
        (place,) = np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))
        found.append(int(place))
    return found


def test_a_batch_holds_the_images_themselves_scaled() -> None:
    batch = sample(IMAGES, PLAIN, 1, 0)
    assert (batch.shape, batch.dtype.name) == ((40, *SHAPE), "float32")
    assert len(places(batch)) == 40


def test_the_whole_range_of_levels_is_the_range_from_minus_one_to_one() -> None:
    black_and_white = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(16, 1).repeat(16, 2)
    batch = sample(black_and_white, PLAIN, 1, 0).numpy()
    assert set(batch.ravel().tolist()) == {-1.0, 1.0}


def test_all_images_are_drawn_about_as_often() -> None:
    """700 draws: 100 of each of 7, give or take four standard deviations of 9.3."""
    config = DistillConfig(batch_size=700)
    counts = np.bincount(places(sample(IMAGES, config, 1, 0)), minlength=7)
    assert (np.abs(counts - 100) <= 37).all()


@pytest.mark.parametrize("moment", [(1, 1), (2, 0)])
def test_every_update_draws_others(moment: tuple[int, int]) -> None:
    assert places(sample(IMAGES, PLAIN, 1, 0)) != places(sample(IMAGES, PLAIN, *moment))


def test_a_draw_depends_on_seed_and_moment_alone() -> None:
    config = DistillConfig(batch_size=9, shift=3, flip=True, seed=5)
    first = sample(IMAGES, config, 2, 3).numpy()
    sample(IMAGES, config, 1, 0)
    np.testing.assert_array_equal(first, sample(IMAGES, config, 2, 3).numpy())


def test_another_seed_draws_others() -> None:
    assert places(sample(IMAGES, PLAIN, 1, 0)) != places(
        sample(IMAGES, DistillConfig(batch_size=40, seed=1), 1, 0)
    )


def test_with_flip_about_half_of_the_images_are_mirrored() -> None:
    """Of 400, 200, give or take four standard deviations of 10."""
    one, config = IMAGES[:1], DistillConfig(batch_size=400, flip=True)
    batch = pixels(sample(one, config, 1, 0))
    mirrored = (batch == one[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (batch == one).all(axis=(1, 2, 3))).all()
    assert abs(mirrored.sum() - 200) <= 40


def test_a_shift_moves_images_by_that_many_pixels_at_most() -> None:
    one, config = IMAGES[:1], DistillConfig(batch_size=300, shift=1)
    batch = pixels(sample(one, config, 1, 0))
    inner = batch[:, 1:-1, 1:-1]
    moved = {
        (down, across)
        for down in range(3)
        for across in range(3)
        for image in inner
        if (image == one[0, down : down + 14, across : across + 15]).all()
    }
    assert len(moved) == 9


def test_a_source_gives_what_is_drawn_for_the_moment_it_was_told() -> None:
    source = StoredImages(IMAGES, PLAIN)
    source.refresh(3, 2)
    np.testing.assert_array_equal(source.batch(), sample(IMAGES, PLAIN, 3, 2))


def test_a_source_of_stored_images_remembers_and_tells_nothing() -> None:
    source = StoredImages(IMAGES, PLAIN)
    assert (source.state(), source.metrics()) == ({}, {})
