"""Data sets in a folder of images, one folder per class."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kextract.datasets.dataset import Arrays, check_image_shape, dimensions
from kextract.datasets.image_files import ImageFile, is_image_name, open_image
from kextract.datasets.images import Labels, Pixels
from kextract.datasets.npz_members import MAX_BYTES
from kextract.datasets.resizing import fitted
from kextract.datasets.splits import hold_out_test
from kextract.errors import DatasetError
from kextract.text import one_line

_TEST_FOLDERS = ("test", "val", "validation")


@dataclass(frozen=True, slots=True)
class _Labelled:
    image: ImageFile
    label: int


def read_folder(root: Path) -> tuple[Arrays, tuple[str, ...]]:
    """Read `ROOT/train/CLASS/*.png` and `ROOT/test/CLASS/*.png`, and name the classes.

    PNG and JPEG files are read, other files and hidden folders passed over. Without `test` the
    folder `val` or `validation` takes its place; without any of them, or where the class folders
    are directly in ROOT, a sixth of the images, always the same ones, is set aside as the test
    half. Classes are numbered by their sorted folder names.

    The images come out at the size that most of them have (the others are resized to it), in
    grayscale only if all of them are. Raises DatasetError naming the file or folder for images that
    cannot be decoded, or are too large.
    """
    train, test = _halves(root)
    names = _class_folders(train or test or root)
    files = [_list_images(folder, names) if folder else [] for folder in (train, test)]
    shape = _common_shape(root, [*files[0], *files[1]])
    x_train, y_train = _decode_all(files[0], shape)
    x_test, y_test = _decode_all(files[1], shape)
    labels = tuple(one_line(name) for name in names)
    if test is None:
        return hold_out_test(one_line(root), x_train, y_train), labels
    if train is None:
        return (None, None, x_test, y_test), labels
    return (x_train, y_train, x_test, y_test), labels


def _halves(root: Path) -> tuple[Path | None, Path | None]:
    train = root / "train" if (root / "train").is_dir() else None
    test = next((root / name for name in _TEST_FOLDERS if (root / name).is_dir()), None)
    return (root, None) if train is None and test is None else (train, test)


def _class_folders(folder: Path) -> list[str]:
    names = sorted(
        entry.name for entry in _entries(folder) if entry.is_dir() and entry.name[0] != "."
    )
    if len(names) < 2:
        raise DatasetError(
            f"{one_line(folder)}: expected one folder of images per class, at least 2, "
            f"found {len(names)}"
        )
    return names


def _list_images(folder: Path, names: list[str]) -> list[_Labelled]:
    strange = sorted(set(_class_folders(folder)) - set(names))
    if strange:
        raise DatasetError(
            f"{one_line(folder / strange[0])}: expected the classes of the training half, "
            "found one more"
        )
    files = []
    for label, name in enumerate(names):
        paths = sorted(
            entry
            for entry in (_entries(folder / name) if (folder / name).is_dir() else [])
            if is_image_name(entry.name)
        )
        if not paths:
            raise DatasetError(
                f"{one_line(folder / name)}: expected .png or .jpg images, found none"
            )
        files += [_Labelled(open_image(path), label) for path in paths]
    return files


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"{one_line(folder)}: cannot be read ({one_line(error.strerror)})"
        ) from error


def _common_shape(root: Path, files: list[_Labelled]) -> tuple[int, int, int]:
    sizes = Counter((file.image.height, file.image.width) for file in files)
    height, width = sizes.most_common(1)[0][0]
    shape = (height, width, 1 if all(file.image.gray for file in files) else 3)
    check_image_shape(one_line(root), shape)
    if len(files) * height * width * shape[2] > MAX_BYTES:
        raise DatasetError(
            f"{one_line(root)}: expected at most {MAX_BYTES >> 30} GiB of pixels, found "
            f"{len(files)} images of {dimensions(shape)}; make them smaller"
        )
    return shape


def _decode_all(files: list[_Labelled], shape: tuple[int, int, int]) -> tuple[Pixels, Labels]:
    images = np.empty((len(files), *shape), dtype=np.uint8)
    for target, file in zip(images, files, strict=True):
        target[...] = fitted(file.image.decode()[None], shape)[0]
    return images, np.array([file.label for file in files], dtype=np.int64)
