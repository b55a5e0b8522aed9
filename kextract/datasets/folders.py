"""Data sets in a folder of images, one folder per class."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kextract.datasets.class_matching import spelled
from kextract.datasets.dataset import Arrays, check_image_shape, dimensions, hold_out_test
from kextract.datasets.image_files import ImageFile, decode_files, open_image
from kextract.datasets.image_folders import (
    Halves,
    find_halves,
    images_below,
    list_images,
    said,
    strays,
    subfolders,
)
from kextract.datasets.images import Labels
from kextract.datasets.npz_members import MAX_BYTES
from kextract.errors import DatasetError
from kextract.text import counted, listed, one_line


@dataclass(slots=True)
class _Half:
    """The labelled images of one split, and what lies among them."""

    images: list[ImageFile] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def y(self) -> Labels:
        return np.array(self.labels, dtype=np.int64)


def read_folder(
    root: Path, say: Callable[[str], object] = lambda text: None
) -> tuple[Arrays, tuple[str, ...]]:
    """Read `ROOT/train/CLASS/*.png` and `ROOT/test/CLASS/*.png`, and name the classes.

    Images of the kinds that `image_files` knows are read, those in sub-folders of a class too;
    `find_halves` says what the two folders may be called. Without a test folder, or where the class
    folders are directly in ROOT, a sixth of the images, always the same ones, is set aside as the
    test split. Classes are numbered by the sorted names of the training folders; the test folder
    may lack some. `say` is given how many images there are and what was left out.

    The images come out at the size that most of them have (the others are resized to it), in
    grayscale only if all of them are. Raises DatasetError naming the file or folder for images that
    cannot be decoded, or are too large.
    """
    halves = find_halves(root) or Halves(root, None, ())
    if not (halves.train and halves.test) and len(halves.others) > 1:
        one = halves.train or halves.test or root
        raise DatasetError(
            f"{one_line(one)}: is it a class beside"
            f" {listed([other.name for other in halves.others])}, or are its folders the classes?"
            " Name it alone, or call it something else"
        )
    names = _class_folders(halves.train or halves.test or root)
    train = _half(halves.train, names) if halves.train else None
    test = _half(halves.test, names, complete=train is None) if halves.test else None
    parts = {"train": train, "test": test}
    files = {name: half.images for name, half in parts.items() if half is not None}
    shape = _common_shape(root, [image for images in files.values() for image in images])
    left_out = sum((half.left_out for half in parts.values() if half is not None), Counter[str]())
    if root not in (halves.train, halves.test):
        left_out += strays(root)
    for folder in halves.others:
        left_out[f"in {folder.name}/"] += len(list_images(folder).paths)
    say(_count(root, halves, train, test, len(names)) + said(left_out))
    missing = [name for label, name in enumerate(names) if test and label not in test.labels]
    if missing:
        say(f"{one_line(halves.test)}: has no image of {listed(missing)}")
    images = decode_files(one_line(root), files, shape, say)
    labels = tuple(one_line(name) for name in names)
    if test is None:
        assert train is not None, "without either, the root itself is the training split"
        return hold_out_test(one_line(root), images["train"], train.y()), labels
    if train is None:
        return (None, None, images["test"], test.y()), labels
    return (images["train"], train.y(), images["test"], test.y()), labels


def _count(
    root: Path, halves: Halves, train: _Half | None, test: _Half | None, classes: int
) -> str:
    """Say how many images of how many classes there are."""
    known = ((train, "training", halves.train), (test, "test", halves.test))
    parts = [
        f"{counted(len(half.images), f'{kind} image')} of {folder.name}/"
        for half, kind, folder in known
        if half is not None and folder not in (None, root)
    ]
    if test is None and train is not None:
        whole = parts[0] if parts else counted(len(train.images), "image")
        parts = [f"{whole}, of which a sixth is held out for testing"]
    return f"{one_line(root)}: {' and '.join(parts)}, in {counted(classes, 'class')}"


def _class_folders(folder: Path) -> list[str]:
    folders = subfolders(folder)
    if len(folders) < 2:
        nested = bool(folders) and len(subfolders(folders[0])) > 1
        inner = f"; did you mean {folders[0]}?" if nested else ""
        raise DatasetError(
            f"{one_line(folder)}: expected one folder of images per class, at least 2, "
            f"found {len(folders)}{one_line(inner)}"
        )
    return [each.name for each in folders]


def _half(folder: Path, names: list[str], *, complete: bool = True) -> _Half:
    """List the images of each class in a half; where it is `complete`, all classes have some."""
    present = _by_class(folder, names)
    half = _Half(left_out=strays(folder))
    for label, name in enumerate(names):
        if name not in present and not complete:
            continue
        found = (images_below if complete else list_images)(present[name])
        half.images += map(open_image, found.paths)
        half.labels += [label] * len(found.paths)
        half.left_out += found.left_out
    if not half.images:
        raise DatasetError(
            f"{one_line(folder)}: expected one folder of images per class, found no images in"
            f" folders{said(half.left_out)}"
        )
    return half


def _by_class(folder: Path, names: list[str]) -> dict[str, Path]:
    """Return the class folders in a half by the names of the classes, spelled alike or the same."""
    alike = {spelled(name): name for name in names}
    present: dict[str, Path] = {}
    for each in subfolders(folder):
        name = each.name if each.name in names else alike.get(spelled(each.name))
        if name is None or name in present:
            raise DatasetError(
                f"{one_line(each)}: expected the classes of the training split, "
                + ("found one more" if name is None else f"found {one_line(name)} twice")
            )
        present[name] = each
    return present


def _common_shape(root: Path, images: list[ImageFile]) -> tuple[int, int, int]:
    sizes = Counter((image.height, image.width) for image in images)
    height, width = sizes.most_common(1)[0][0]
    shape = (height, width, 1 if all(image.gray for image in images) else 3)
    check_image_shape(one_line(root), shape)
    if len(images) * height * width * shape[2] > MAX_BYTES:
        raise DatasetError(
            f"{one_line(root)}: expected at most {MAX_BYTES >> 30} GiB of pixels, found "
            f"{len(images)} images of {dimensions(shape)}; make them smaller"
        )
    return shape
