from pathlib import Path

import numpy as np
import pytest

from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError, RequestError
from tests.datasets.images import png_bytes, random_images, random_labels


def save_npz(path: Path, *shape: int, classes: int = 10) -> None:
    x, y = random_images(20, *shape), random_labels(20, classes)
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)


def test_a_name_is_looked_for_in_the_data_folder_first(tmp_path: Path) -> None:
    save_npz(tmp_path / "fashion-mnist.npz", 28, 28)
    data = load_dataset("fashion-mnist", tmp_path)
    assert (data.name, data.input_shape, data.flip) == ("fashion-mnist", (28, 28, 1), True)
    assert data.class_names[9] == "ankle boot"


def test_a_damaged_local_copy_is_refused_by_name_and_not_replaced(tmp_path: Path) -> None:
    local = tmp_path / "mnist.npz"
    save_npz(local, 28, 28)
    local.write_bytes(local.read_bytes()[:5000])
    with pytest.raises(DatasetError, match="damage") as refusal:
        load_dataset("mnist", tmp_path)
    assert str(refusal.value).startswith(str(local))


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [((32, 32), 10, "expected images of 28x28x1, found 32x32x1"), ((28, 28), 11, "from 0 to 9")],
)
def test_a_local_copy_of_something_else_is_refused(
    tmp_path: Path, shape: tuple[int, int], classes: int, message: str
) -> None:
    save_npz(tmp_path / "mnist.npz", *shape, classes=classes)
    with pytest.raises(DatasetError, match=message) as refusal:
        load_dataset("mnist", tmp_path)
    assert str(refusal.value).startswith(str(tmp_path / "mnist.npz"))


def test_a_data_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^--data-dir .*absent: expected a folder"):
        load_dataset("mnist", tmp_path / "absent")


def test_a_folder_without_a_slash_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "insects" / name).mkdir(parents=True)
        (tmp_path / "insects" / name / "0.png").write_bytes(png_bytes(random_images(16, 16)))
    monkeypatch.chdir(tmp_path)
    assert load_dataset("insects").name == "insects"


@pytest.mark.parametrize("name", ["x" * 5000, "a/" + "x" * 5000, "~nobody-of-this-name/images"])
def test_a_path_that_cannot_be_is_refused_in_one_short_line(name: str) -> None:
    with pytest.raises(RequestError) as refusal:
        load_dataset(name)
    assert len(str(refusal.value)) < 300
