from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.methods.stored import Bank, sample

SHAPE = (16, 17, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, *SHAPE), dtype=np.uint8)
BANKED = (2, 3, 1)


def test_a_draw_depends_on_seed_epoch_and_step_alone() -> None:
    config = DistillConfig(batch_size=9, shift=3, flip=True, seed=5)
    first = sample(IMAGES, config, 2, 3).numpy()
    sample(IMAGES, config, 1, 0)
    np.testing.assert_array_equal(first, sample(IMAGES, config, 2, 3).numpy())


def grey(*levels: int) -> Any:
    """Images of one level each, 0 to 255, as a generator would give them."""
    images = np.broadcast_to(np.reshape(levels, (-1, 1, 1, 1)), (len(levels), *BANKED))
    return (images.astype(np.float32) - 127.5) / 127.5


def levels(images: Any) -> list[int]:
    assert images.dtype == np.uint8
    assert images.shape[1:] == BANKED
    return [int(image.max()) for image in images]


def filled(*batches: tuple[int, ...], size: int = 4) -> Bank:
    bank = Bank(size, BANKED)
    for batch in batches:
        bank.add(grey(*batch))
    return bank


def test_of_a_batch_larger_than_the_bank_the_last_are_kept() -> None:
    assert sorted(levels(filled((9,), (1, 2, 3, 4, 5, 6)).images)) == [3, 4, 5, 6]


@pytest.mark.parametrize(("count", "expected"), [(0, []), (3, [4, 5, 6]), (9, [3, 4, 5, 6])])
def test_the_newest_can_be_asked_for(count: int, expected: list[int]) -> None:
    assert sorted(levels(filled((1, 2, 3), (4, 5, 6)).newest(count))) == expected


def test_images_of_a_bank_are_rounded_to_the_nearest_level() -> None:
    bank = Bank(3, (1, 1, 1))
    bank.add(np.array([-1.0, 0.001, 1.0], np.float32).reshape(3, 1, 1, 1))
    assert bank.images.ravel().tolist() == [0, 128, 255]


def test_a_restored_bank_continues_as_the_other_would_have() -> None:
    bank, other = filled((1, 2, 3), (4, 5)), filled((9,))
    other.restore({name: np.array(value) for name, value in bank.state().items()})
    for each in (bank, other):
        each.add(grey(6))
    np.testing.assert_array_equal(bank.images, other.images)
    assert levels(other.newest(1)) == [6]
