import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import RequestError
from kextract.methods.base import Batch
from kextract.training.student import CutMix, rectangles

COUNT, SHAPE = 400, (8, 6, 2)


def numbered() -> np.ndarray:
    """Images that are each filled with their own number, so that every pixel tells its origin."""
    return np.broadcast_to(
        np.arange(COUNT, dtype=np.float32)[:, None, None, None], (COUNT, *SHAPE)
    ).copy()


def mixed(share: float, *, seed: int = 0, step: int = 0) -> np.ndarray:
    batch = CutMix(share, seed).mixed(Batch(tf.constant(numbered())), 1, step)
    images: np.ndarray = batch.images.numpy()
    return images


def partners() -> np.ndarray:
    return np.roll(numbered(), 1, axis=0)


def test_without_a_share_images_stay_as_they_are() -> None:
    np.testing.assert_array_equal(mixed(0.0), numbered())


def test_cutmix_pastes_one_rectangle_of_the_next_image() -> None:
    images = mixed(1.0)
    pasted = images != numbered()
    np.testing.assert_array_equal(images[pasted], partners()[pasted])
    for mask in pasted[..., 0]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask.sum() == len(rows) * len(columns)
        assert all(np.all(np.diff(found) == 1) for found in (rows, columns))


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_images_is_mixed_that_was_asked_for(share: float) -> None:
    changed = (mixed(share) != numbered()).any(axis=(1, 2, 3)).mean()
    # A rectangle may be too small to hold a pixel's centre.
    assert 0.7 * share < changed < 1.25 * share


def test_images_that_come_with_logits_cannot_be_mixed() -> None:
    batch = Batch(tf.constant(numbered()), tf.zeros((COUNT, 3)))
    with pytest.raises(RequestError, match=r"^--cutmix 0\.5: .* leave it out$"):
        CutMix(0.5, 0).mixed(batch, 1, 0)
    assert CutMix(0.0, 0).mixed(batch, 1, 0) is batch


def test_rectangles_cover_what_a_uniform_share_leaves_inside_the_border() -> None:
    """By quadrature: of a side s with a uniform centre, s - s^2/4 is inside on average.

    Both axes share s, the root of a uniform area; their centres are independent.
    """
    random = np.random.default_rng(0)
    covered = rectangles(random, 4000, 16, 16).mean()
    side = np.sqrt((np.arange(10000) + 0.5) / 10000)
    assert covered == pytest.approx(((side - side**2 / 4) ** 2).mean(), abs=0.02)


def test_seed_epoch_and_step_decide_the_mix() -> None:
    np.testing.assert_array_equal(mixed(0.5), mixed(0.5))
    assert not np.array_equal(mixed(0.5), mixed(0.5, seed=1))
    assert not np.array_equal(mixed(0.5), mixed(0.5, step=1))
