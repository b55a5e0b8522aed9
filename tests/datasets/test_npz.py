from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError
from tests.datasets.images import random_images, random_labels

IMAGES = random_images(12, 16, 18, 3)
LABELS = random_labels(12, 3)


def npz(folder: Path, **arrays: Any) -> str:
    path = folder / "mine.npz"
    np.savez_compressed(path, **arrays)
    return str(path)


def halves(x: Any = IMAGES, y: Any = LABELS) -> dict[str, Any]:
    return {"x_train": x, "y_train": y, "x_test": x[:6], "y_test": y[:6]}


def test_images_and_labels_come_back_as_they_were_saved(tmp_path: Path) -> None:
    data = load_dataset(npz(tmp_path, **halves()))
    assert (data.name, data.class_names, data.flip) == ("mine", ("0", "1", "2"), False)
    assert data.x_train is not None and data.x_test is not None
    np.testing.assert_array_equal(data.x_train, IMAGES)
    np.testing.assert_array_equal(data.x_test, IMAGES[:6])
    np.testing.assert_array_equal(data.y_train, LABELS)
    np.testing.assert_array_equal(data.y_test, LABELS[:6])


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[:, None],
        LABELS.astype(np.uint8),
        np.eye(3)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
    ],
)
def test_labels_may_be_a_column_or_one_hot(tmp_path: Path, labels: Any) -> None:
    data = load_dataset(npz(tmp_path, **halves(y=labels)))
    np.testing.assert_array_equal(data.y_train, LABELS)
    assert data.y_train is not None and data.y_train.dtype == np.int64


def test_a_training_half_alone_lends_a_sixth_to_the_test_half(tmp_path: Path) -> None:
    path = npz(tmp_path, x_train=IMAGES, y_train=LABELS)
    data, again = load_dataset(path), load_dataset(path)
    assert data.x_train is not None and data.x_test is not None
    assert (len(data.x_train), len(data.x_test)) == (10, 2)
    together = np.concatenate([data.x_train, data.x_test]).reshape(12, -1)
    np.testing.assert_array_equal(
        np.unique(together, axis=0), np.unique(IMAGES.reshape(12, -1), axis=0)
    )
    np.testing.assert_array_equal(data.x_test, again.x_test)


def test_the_labels_of_a_test_half_that_was_set_aside_stay_with_their_images(
    tmp_path: Path,
) -> None:
    images = np.broadcast_to(LABELS.astype(np.uint8)[:, None, None], (12, 16, 16))
    data = load_dataset(npz(tmp_path, x_train=images, y_train=LABELS))
    assert data.x_test is not None
    np.testing.assert_array_equal(data.x_test[:, 0, 0, 0], data.y_test)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "expected the arrays x_train.* found images"),
        ({}, "found nothing"),
        ({"x_test": IMAGES}, "found no y_test"),
        (halves() | {"y_train": LABELS[:5]}, "12 labels.* found shape \\(5,\\)"),
        (halves(IMAGES[:, 0, :, 0]), "found \\(12, 18\\)"),
        (halves(IMAGES[:0], LABELS[:0]), "at least one image"),
        (halves(np.moveaxis(IMAGES, 3, 1)), "found 3x16x18; channels come last here: transpose"),
        (halves(np.repeat(IMAGES, 2, 3)[..., :4]), "found 16x18x4; .* may be transparency"),
        (halves(IMAGES.astype(np.complex64)), "expected numbers, found an array of complex64"),
        (halves(y=LABELS - 1), "found -1 to 1"),
        (halves(y=LABELS + 10**6), "found 1000000"),
        (halves(y=LABELS / 2), "integers or one-hot rows, found float64"),
        (halves(y=np.ones((12, 3))), "one-hot"),
        (halves(y=LABELS.astype(str)), "expected numbers, found an array of <U"),
        ({**halves(), "class_names": np.array(["a", "b"])}, "labels from 0 to 1 .* found 2"),
        ({**halves(), "class_names": np.array([["a"]])}, "class_names as one row"),
        ({**halves(), "class_names": np.array(["a", "b" * 2**20, "c"])}, "at most 1 MiB in all"),
        ({"x_train": IMAGES[:1], "y_train": LABELS[:1]}, "at least 2 images"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_refused_in_one_line(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = npz(tmp_path, **arrays)
    with pytest.raises(DatasetError, match=message) as refusal:
        load_dataset(path)
    assert str(refusal.value).startswith(path)
    assert "\n" not in str(refusal.value)
