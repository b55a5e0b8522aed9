"""Folders of images as people have them: which files are images, which folders train and test.

Data sets among them have a folder for each class.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kextract.datasets.class_matching import spelled
from kextract.datasets.image_files import ImageFile, decode_files, is_image_name, open_image
from kextract.datasets.images import Arrays, Labels, check_image_shape, hold_out_test
from kextract.datasets.npz import MAX_BYTES
from kextract.errors import DatasetError
from kextract.text import counted, dimensions, listed, one_line, printable

KINDS = ".png, .jpg, .gif, .webp, .bmp or .tif"
"""Kinds of images that are read, for messages; see `image_files.SUFFIXES`."""
TRAIN, TEST, VALIDATION = "train", "test", "validation"
_NAMES = {
    TRAIN: ("train", "training", "trainset", "trainingset", "traindata", "trainingdata"),
    TEST: ("test", "testing", "testset", "testingset", "testdata", "testingdata"),
    VALIDATION: ("val", "valid", "validation", "dev", "valset", "validationset", "eval"),
}
"""What programs call the parts of a data set, in small letters and without `_`, `-` and spaces."""
_OF_SYSTEMS = ("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir")
_HIDDEN, _NO_ENDING = "hidden or of the system", "without an ending"
_LINKS, _UNSORTED = "behind links", "outside of the class folders"


@dataclass(frozen=True, slots=True)
class Listing:
    """The images below a folder, in the order of their names, and what else is there."""

    paths: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many files and folders are not read, by reason."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The folders of a data set that is divided into parts."""

    train: Path | None
    test: Path | None
    others: tuple[Path, ...]
    """Further folders that have images."""


def list_images(folder: Path) -> Listing:
    """List the images in a folder and in its sub-folders; links to folders are not followed.

    Raises DatasetError for what cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error.filename, error) from error

    found = Listing()
    for place, folders, names in os.walk(folder, onerror=refuse):
        linked = [name for name in folders if (Path(place) / name).is_symlink()]
        hidden = [name for name in folders if is_hidden(name)]
        found.left_out[_LINKS] += len(linked)
        found.left_out[_HIDDEN] += len(hidden)
        folders[:] = sorted(set(folders) - {*hidden, *linked})
        for name in sorted(names):
            if is_image_name(name):
                found.paths.append(Path(place) / name)
            else:
                found.left_out[_reason(name)] += 1
    return found


def images_below(folder: Path) -> Listing:
    """Do as `list_images`, and raise DatasetError where there is no image."""
    found = list_images(folder)
    if not found.paths:
        raise DatasetError(
            f"{one_line(folder)}: expected images, {KINDS}, found none{said(found.left_out)}"
        )
    return found


def strays(folder: Path) -> Counter[str]:
    """Count the files that lie directly in a folder whose sub-folders are read, by reason."""
    return Counter(
        _UNSORTED if is_image_name(entry.name) else _reason(entry.name)
        for entry in entries(folder)
        if is_hidden(entry.name) or not entry.is_dir()
    )


def said(left_out: Mapping[str, int]) -> str:
    """Say what was left out as the end of a line; nothing where that is nothing."""
    parts = [f"{count} {what}" for what, count in Counter(left_out).most_common() if count]
    return f"; left out: {listed(parts)}" if parts else ""


def subfolders(folder: Path) -> list[Path]:
    """List the folders in a folder that may hold images, in the order of their names."""
    return sorted(
        entry for entry in entries(folder) if entry.is_dir() and not is_hidden(entry.name)
    )


def find_splits(root: Path) -> Splits | None:
    """Find the training and the test images of a data set by the names of their folders.

    Any case and the names that programs give will do; validation images serve as test images where
    there are no others. None where there are no such folders, or where one is a class of that name:
    a folder `train` with images directly in it among other classes. Raises DatasetError for two of
    a kind.
    """
    parts: dict[str, list[Path]] = {part: [] for part in _NAMES}
    others: list[Path] = []
    for folder in subfolders(root):
        plain = folder.name.casefold().translate({ord(sign): None for sign in "_- "})
        part = next((part for part, names in _NAMES.items() if plain in names), None)
        (others if part is None else parts[part]).append(folder)
    known = [folder for folders in parts.values() for folder in folders]
    others = [folder for folder in others if _holds_images(folder)]
    both = bool(parts[TRAIN] and (parts[TEST] or parts[VALIDATION]))
    flat = any(is_image_name(entry.name) for folder in known for entry in entries(folder))
    if not known or (flat and len(others) > both):
        return None
    tests = parts[TEST] or parts[VALIDATION]
    for folders in (parts[TRAIN], tests):
        if len(folders) > 1:
            raise DatasetError(
                f"{one_line(root)}: expected one folder of its kind, found"
                f" {listed([folder.name for folder in folders])}"
            )
    chosen = [*parts[TRAIN], *tests]
    unused = [folder for folder in known if folder not in chosen and _holds_images(folder)]
    return Splits(next(iter(parts[TRAIN]), None), next(iter(tests), None), (*unused, *others))


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or put there by a system for itself."""
    return name.startswith(".") or name.casefold() in _OF_SYSTEMS


def entries(folder: Path) -> list[Path]:
    """List a folder. Raises DatasetError where it cannot be read."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


def _holds_images(folder: Path) -> bool:
    return any(is_image_name(name) for _, _, names in os.walk(folder) for name in names)


def _reason(name: str) -> str:
    ending = Path(name).suffix.lower()
    return _HIDDEN if is_hidden(name) else printable(ending) if ending else _NO_ENDING


def _unreadable(where: object, error: OSError) -> DatasetError:
    return DatasetError(f"{one_line(where)}: cannot be read ({one_line(error.strerror)})")


@dataclass(slots=True)
class _Split:
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
    `find_splits` says what the two folders may be called. Without a test folder, or where the class
    folders are directly in ROOT, a sixth of the images, always the same ones, is set aside as the
    test split. Classes are numbered by the sorted names of the training folders; the test folder
    may lack some. `say` is given how many images there are and what was left out.

    The images come out at the size that most of them have (the others are resized to it), in
    grayscale only if all of them are. Raises DatasetError naming the file or folder for images that
    cannot be decoded, or are too large.
    """
    splits = find_splits(root) or Splits(root, None, ())
    if not (splits.train and splits.test) and len(splits.others) > 1:
        one = splits.train or splits.test or root
        raise DatasetError(
            f"{one_line(one)}: is it a class beside"
            f" {listed([other.name for other in splits.others])}, or are its folders the classes?"
            " Name it alone, or call it something else"
        )
    names = _class_folders(splits.train or splits.test or root)
    train = _split(splits.train, names) if splits.train else None
    test = _split(splits.test, names, complete=train is None) if splits.test else None
    parts = {"train": train, "test": test}
    files = {name: split.images for name, split in parts.items() if split is not None}
    shape = _common_shape(root, [image for images in files.values() for image in images])
    left_out = Counter[str]()
    for split in parts.values():
        left_out += split.left_out if split else Counter()
    if root not in (splits.train, splits.test):
        left_out += strays(root)
    for folder in splits.others:
        left_out[f"in {folder.name}/"] += len(list_images(folder).paths)
    say(_count(root, splits, train, test, len(names)) + said(left_out))
    missing = [name for label, name in enumerate(names) if test and label not in test.labels]
    if missing:
        say(f"{one_line(splits.test)}: has no image of {listed(missing)}")
    images = decode_files(one_line(root), files, shape, say)
    labels = tuple(one_line(name) for name in names)
    if test is None:
        assert train is not None, "without either, the root itself is the training split"
        return hold_out_test(one_line(root), images["train"], train.y()), labels
    if train is None:
        return (None, None, images["test"], test.y()), labels
    return (images["train"], train.y(), images["test"], test.y()), labels


def _count(
    root: Path, splits: Splits, train: _Split | None, test: _Split | None, classes: int
) -> str:
    """Say how many images of how many classes there are."""
    known = ((train, "training", splits.train), (test, "test", splits.test))
    parts = [
        f"{counted(len(split.images), f'{kind} image')} of {folder.name}/"
        for split, kind, folder in known
        if split is not None and folder not in (None, root)
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


def _split(folder: Path, names: list[str], *, complete: bool = True) -> _Split:
    """List the images of each class in a split; where it is `complete`, all classes have some."""
    present = _by_class(folder, names)
    split = _Split(left_out=strays(folder))
    for label, name in enumerate(names):
        if name not in present and not complete:
            continue
        found = (images_below if complete else list_images)(present[name])
        split.images += map(open_image, found.paths)
        split.labels += [label] * len(found.paths)
        split.left_out += found.left_out
    if not split.images:
        raise DatasetError(
            f"{one_line(folder)}: expected one folder of images per class, found no images in"
            f" folders{said(split.left_out)}"
        )
    return split


def _by_class(folder: Path, names: list[str]) -> dict[str, Path]:
    """Return the folders of a split by the names of the classes, spelled alike or the same."""
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
