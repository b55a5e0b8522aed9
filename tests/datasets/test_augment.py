import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.images import augment

SEED = [1, 2]


def images(count: int = 200) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 10, 3)).astype(np.float32)


def outcomes(image: NDArray[np.float32], shift: int, flip: bool) -> list[NDArray[np.float32]]:
    """List every permitted result for one image, padded and cropped by NumPy."""
    height, width, _ = image.shape
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
    crops = [
        padded[top : top + height, left : left + width]
        for top in range(2 * shift + 1)
        for left in range(2 * shift + 1)
    ]
    return crops + [crop[:, ::-1] for crop in crops if flip]


def matches(shift: int, flip: bool) -> NDArray[np.bool_]:
    """Tell which permitted result each of many images became: (images, results)."""
    before = images(1200)
    after = augment(tf.constant(before), shift=shift, flip=flip, seed=tf.constant(SEED)).numpy()
    permitted = np.stack([outcomes(image, shift, flip) for image in before])
    same: NDArray[np.bool_] = (permitted == after[:, None]).all(axis=(2, 3, 4))
    return same


@pytest.mark.parametrize(("shift", "flip"), [(2, False), (2, True), (0, True), (7, False)])
def test_every_result_is_the_image_shifted_and_reflected_at_the_border(
    shift: int, flip: bool
) -> None:
    assert matches(shift, flip).any(axis=1).all()


@pytest.mark.parametrize(("shift", "flip"), [(2, False), (2, True), (0, True)])
def test_every_shift_and_its_mirror_image_occur(shift: int, flip: bool) -> None:
    assert matches(shift, flip).any(axis=0).all()


def test_half_of_the_images_are_mirrored() -> None:
    before = images(2000)
    after = augment(tf.constant(before), shift=0, flip=True, seed=tf.constant(SEED)).numpy()
    mirrored = (after == before[:, :, ::-1]).all(axis=(1, 2, 3)).mean()
    assert abs(mirrored - 0.5) < 4 * 0.5 / np.sqrt(2000)


def test_nothing_asked_for_changes_nothing() -> None:
    after = augment(tf.constant(images()), shift=0, flip=False, seed=tf.constant(SEED))
    np.testing.assert_array_equal(after, images())


def test_the_seed_decides() -> None:
    first, again, other = (
        augment(tf.constant(images()), shift=2, flip=True, seed=tf.constant(seed)).numpy()
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_it_works_in_a_graph_of_unknown_batch_size_and_in_bfloat16() -> None:
    graph = tf.function(
        lambda batch: augment(batch, shift=2, flip=True, seed=tf.constant(SEED)),
        input_signature=[tf.TensorSpec((None, 8, 10, 3), tf.bfloat16)],
    )
    batch = tf.cast(tf.constant(images()), tf.bfloat16)
    expected = augment(batch, shift=2, flip=True, seed=tf.constant(SEED))
    assert graph(batch).dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(graph(batch), tf.float32), tf.cast(expected, tf.float32))


@pytest.mark.parametrize("shift", [-1, 8])
def test_a_shift_that_the_image_cannot_fill_is_refused(shift: int) -> None:
    with pytest.raises(ValueError, match="0 to 7 pixels"):
        augment(tf.constant(images(1)), shift=shift, flip=False, seed=tf.constant(SEED))
