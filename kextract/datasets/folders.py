"""Data sets in a folder of images, one folder per class."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kextract import runtime
from kextract.datasets.dataset import (
    Arrays,
    Images,
    Labels,
    check_image_shape,
    dimensions,
)
from kextract.datasets.image_headers import ImageHeader, image_header
from kextract.datasets.npz_members import MAX_BYTES
from kextract.datasets.png_pixels import has_too_many_pixels
from kextract.datasets.splits import hold_out_test
from kextract.datasets.text import printable
from kextract.errors import DatasetError

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_FILE_BYTES = 128 << 20
"""Largest image file that is read: more than MAX_SIDE x MAX_SIDE of 16-bit colour takes."""
_TEST_FOLDERS = ("test", "val", "validation")


@dataclass(frozen=True, slots=True)
class _ImageFile:
    path: Path
    label: int
    header: ImageHeader


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
    labels = tuple(printable(name) for name in names)
    if test is None:
        return hold_out_test(printable(root), x_train, y_train), labels
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
            f"{printable(folder)}: expected one folder of images per class, at least 2, "
            f"found {len(names)}"
        )
    return names


def _list_images(folder: Path, names: list[str]) -> list[_ImageFile]:
    strange = sorted(set(_class_folders(folder)) - set(names))
    if strange:
        raise DatasetError(
            f"{printable(folder / strange[0])}: expected the classes of the training half, "
            "found one more"
        )
    files = []
    for label, name in enumerate(names):
        paths = sorted(
            entry
            for entry in (_entries(folder / name) if (folder / name).is_dir() else [])
            if entry.suffix.lower() in SUFFIXES and entry.name[0] != "."
        )
        if not paths:
            raise DatasetError(
                f"{printable(folder / name)}: expected .png or .jpg images, found none"
            )
        files += [_ImageFile(path, label, _header_of(path)) for path in paths]
    return files


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"{printable(folder)}: cannot be read ({printable(error.strerror)})"
        ) from error


def _header_of(path: Path) -> ImageHeader:
    """Read and check what the image file `path` declares; DatasetError names it."""
    try:
        return image_header(_bytes(path))
    except ValueError as error:
        raise DatasetError(
            f"{printable(path)}: expected an image, found {error}; repair or remove it"
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES or not path.is_file():
            raise DatasetError(
                f"{printable(path)}: expected an image file of at most {MAX_FILE_BYTES >> 20} MiB"
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{printable(path)}: cannot be read ({printable(error.strerror)})"
        ) from error


def _common_shape(root: Path, files: list[_ImageFile]) -> tuple[int, int, int]:
    sizes = Counter((file.header.height, file.header.width) for file in files)
    height, width = sizes.most_common(1)[0][0]
    shape = (height, width, 1 if all(file.header.gray for file in files) else 3)
    check_image_shape(printable(root), shape)
    if len(files) * height * width * shape[2] > MAX_BYTES:
        raise DatasetError(
            f"{printable(root)}: expected at most {MAX_BYTES >> 30} GiB of pixels, found "
            f"{len(files)} images of {dimensions(shape)}; make them smaller"
        )
    return shape


def _decode_all(files: list[_ImageFile], shape: tuple[int, int, int]) -> tuple[Images, Labels]:
    images = np.empty((len(files), *shape), dtype=np.uint8)
    for target, file in zip(images, files, strict=True):
        target[...] = _decode(file, shape)
    return images, np.array([file.label for file in files], dtype=np.int64)


def _decode(file: _ImageFile, shape: tuple[int, int, int]) -> Images:
    runtime.start()
    import tensorflow as tf

    decoders: dict[str, Any] = {"png": tf.io.decode_png, "jpeg": tf.io.decode_jpeg}
    data = _bytes(file.path)
    try:
        if file.header.kind == "png" and has_too_many_pixels(data):
            raise ValueError("more pixels than declared")
        image = decoders[file.header.kind](data, channels=shape[2])
    except (tf.errors.OpError, ValueError) as error:
        raise DatasetError(
            f"{printable(file.path)}: expected an image, found data that cannot be decoded; "
            "repair or remove it"
        ) from error
    if tuple(image.shape[:2]) != shape[:2]:
        resized = tf.image.resize(image, shape[:2], antialias=True)
        image = tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)
    pixels: Images = image.numpy()
    return pixels
