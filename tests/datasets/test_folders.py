from pathlib import Path

import numpy as np
import pytest

from kextract.datasets.image_folders import KINDS
from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError
from tests.datasets.images import png_bytes, random_images, save

RED, BLUE = (np.full((16, 16, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def fill(folder: Path, count: int = 3, names: tuple[str, ...] = ("ant", "bee")) -> None:
    for label, name in enumerate(names):
        for number in range(count):
            save(folder / name / f"{number}.png", random_images(16, 16, seed=10 * label + number))


def refusal_of(folder: Path) -> str:
    with pytest.raises(DatasetError) as refusal:
        load_dataset(str(folder))
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "Valid"), ("Training", "Testing"), ("TRAIN", "val"), ("train_set", "test-set")],
)
def test_halves_may_be_called_as_other_programs_call_them(
    tmp_path: Path, train: str, test: str
) -> None:
    fill(tmp_path / train)
    fill(tmp_path / test, count=1)
    data = load_dataset(str(tmp_path))
    assert data.notes == (
        f"{tmp_path}: 6 training images of {train}/ and 2 test images of {test}/, in 2 classes",
    )


def test_validation_images_beside_test_images_are_said_to_be_left_out(tmp_path: Path) -> None:
    for name, count in (("train", 3), ("test", 1), ("val", 2), ("more", 5)):
        fill(tmp_path / name, count=count)
    (note,) = load_dataset(str(tmp_path)).notes
    assert "6 training images of train/ and 2 test images of test/" in note
    assert note.endswith("; left out: 10 in more/, 4 in val/")


def test_a_folder_that_may_be_a_class_or_a_half_is_asked_about(tmp_path: Path) -> None:
    fill(tmp_path, names=("bus", "car"))
    fill(tmp_path / "train", names=("steam", "diesel"))
    assert f"{tmp_path / 'train'}: is it a class beside bus, car" in refusal_of(tmp_path)


def test_everything_that_is_not_read_is_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path / "elsewhere", names=("x",))
    (tmp_path / "ant" / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("0.heic", "ant/1.HEIC", "bee/deep/2.svg", "bee/Thumbs.db", "labels", "stray.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"never read")
    (tmp_path / "__MACOSX" / "ant").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "ant" / "._0.png").write_bytes(bytes(99))
    (note,) = load_dataset(str(tmp_path)).notes
    start = (
        f"{tmp_path}: 9 images, of which a sixth is held out for testing, in 3 classes; left out: "
    )
    assert note.startswith(start)
    assert sorted(note.removeprefix(start).split(", ")) == [
        *("1 .svg", "1 behind links", "1 outside of the class folders", "1 without an ending"),
        *("2 .heic", "2 hidden or of the system"),
    ]


def test_a_test_half_may_lack_classes_and_says_so(tmp_path: Path) -> None:
    fill(tmp_path / "train", names=("ant", "bee", "cat"))
    fill(tmp_path / "test", names=("cat",))
    (tmp_path / "test" / "bee").mkdir()
    data = load_dataset(str(tmp_path))
    np.testing.assert_array_equal(data.y_test, [2, 2, 2])
    assert data.notes[1:] == (f"{tmp_path / 'test'}: has no image of ant, bee",)


def test_a_half_without_class_folders_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    save(tmp_path / "test" / "0.png", random_images(16, 16))
    assert refusal_of(tmp_path).endswith(
        "test: expected one folder of images per class, found no images in folders; left out:"
        " 1 outside of the class folders"
    )


def test_a_data_set_one_folder_deeper_is_pointed_at(tmp_path: Path) -> None:
    fill(tmp_path / "archive")
    assert refusal_of(tmp_path).endswith(f"found 1; did you mean {tmp_path / 'archive'}?")


def test_without_a_test_folder_a_sixth_of_the_images_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=6)
    data, again = load_dataset(str(tmp_path)), load_dataset(str(tmp_path))
    assert data.x_train is not None and data.x_test is not None
    assert (len(data.x_train), len(data.x_test)) == (10, 2)
    np.testing.assert_array_equal(data.x_test, again.x_test)


def test_one_colour_image_makes_the_data_set_a_colour_one(tmp_path: Path) -> None:
    fill(tmp_path / "test", count=2)
    save(tmp_path / "test" / "bee" / "z.png", RED)
    data = load_dataset(str(tmp_path))
    assert data.x_test is not None and data.input_shape == (16, 16, 3)
    np.testing.assert_array_equal(data.x_test[-1], RED)
    np.testing.assert_array_equal(data.x_test[0, :, :, 1], random_images(16, 16, seed=0))


def test_images_of_another_size_are_resized_to_the_most_common_one(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "test" / "ant" / f"{number}.png", RED)
        save(tmp_path / "test" / "bee" / f"{number}.png", BLUE)
    save(tmp_path / "test" / "ant" / "a.png", np.repeat(RED, 3, axis=0))
    data = load_dataset(str(tmp_path))
    assert data.x_test is not None and data.input_shape == (16, 16, 3)
    np.testing.assert_array_equal(data.x_test[2], RED)


def test_too_many_pixels_in_all_are_refused_before_any_is_decoded(tmp_path: Path) -> None:
    """They are declared, and not there."""
    fill(tmp_path, count=1)
    large = png_bytes(random_images(4, 4), (4096, 4096))
    for number in range(257):
        (tmp_path / "ant" / f"{number}.png").write_bytes(large)
    assert "found 258 images of 4096x4096x1" in refusal_of(tmp_path)


def test_a_folder_that_cannot_be_a_data_set_is_refused(tmp_path: Path) -> None:
    assert "one folder of images per class, at least 2, found 0" in refusal_of(tmp_path)
    fill(tmp_path / "train")
    fill(tmp_path / "test", names=("ant", "wasp"))
    assert f"{tmp_path / 'test' / 'wasp'}: " in refusal_of(tmp_path)


def test_a_class_without_images_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "wasp").mkdir()
    assert f"{tmp_path / 'wasp'}: expected images, {KINDS}, found none" in refusal_of(tmp_path)
