from typing import Any

import numpy as np
import pytest

from kextract.transfer.bank import Bank

SHAPE = (2, 3, 1)


def grey(*levels: int) -> Any:
    """Images of one level each, 0 to 255, as a generator would give them."""
    images = np.broadcast_to(np.reshape(levels, (-1, 1, 1, 1)), (len(levels), *SHAPE))
    return (images.astype(np.float32) - 127.5) / 127.5


def levels(images: Any) -> list[int]:
    assert images.dtype == np.uint8
    assert images.shape[1:] == SHAPE
    return [int(image.max()) for image in images]


def filled(*batches: tuple[int, ...], size: int = 4) -> Bank:
    bank = Bank(size, SHAPE)
    for batch in batches:
        bank.add(grey(*batch))
    return bank


def test_a_new_bank_is_empty() -> None:
    assert levels(filled().images) == []


def test_a_bank_that_is_not_full_holds_what_was_added_and_nothing_else() -> None:
    assert sorted(levels(filled((1, 2), (3,)).images)) == [1, 2, 3]


def test_the_newest_replace_the_oldest() -> None:
    assert sorted(levels(filled((1, 2, 3), (4, 5)).images)) == [2, 3, 4, 5]


def test_of_a_batch_larger_than_the_bank_the_last_are_kept() -> None:
    assert sorted(levels(filled((9,), (1, 2, 3, 4, 5, 6)).images)) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (1, [6]), (3, [4, 5, 6]), (4, [3, 4, 5, 6]), (9, [3, 4, 5, 6])]
)
def test_the_newest_can_be_asked_for(count: int, expected: list[int]) -> None:
    assert sorted(levels(filled((1, 2, 3), (4, 5, 6)).newest(count))) == expected


def test_the_newest_of_a_bank_that_is_not_full_are_images_that_were_added() -> None:
    assert sorted(levels(filled((1, 2, 3)).newest(9))) == [1, 2, 3]


def test_images_are_rounded_to_the_nearest_level() -> None:
    bank = Bank(3, (1, 1, 1))
    bank.add(np.array([-1.0, 0.001, 1.0], np.float32).reshape(3, 1, 1, 1))
    assert bank.images.ravel().tolist() == [0, 128, 255]


def test_what_lies_outside_the_range_is_clipped() -> None:
    bank = Bank(2, (1, 1, 1))
    bank.add(np.array([-1.5, 9.0], np.float32).reshape(2, 1, 1, 1))
    assert bank.images.ravel().tolist() == [0, 255]


def test_a_restored_bank_goes_on_as_the_other_would_have() -> None:
    bank, other = filled((1, 2, 3), (4, 5)), filled((9,))
    other.restore({name: np.array(value) for name, value in bank.state().items()})
    for each in (bank, other):
        each.add(grey(6))
    np.testing.assert_array_equal(bank.images, other.images)
    assert levels(other.newest(1)) == [6]


def test_the_state_has_one_shape_however_full_the_bank_is() -> None:
    """A run that is gone on with compares it to that of a new bank."""
    shapes = [
        {name: (value.shape, value.dtype) for name, value in bank.state().items()}
        for bank in (filled(), filled((1, 2, 3), (4, 5)))
    ]
    assert shapes[0] == shapes[1]
