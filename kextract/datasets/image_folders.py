"""Folders of images as people have them: which files are images, which folders train and test."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kextract.datasets.image_files import is_image_name
from kextract.errors import DatasetError
from kextract.text import listed, one_line, printable

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
class Halves:
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


def find_halves(root: Path) -> Halves | None:
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
    return Halves(next(iter(parts[TRAIN]), None), next(iter(tests), None), (*unused, *others))


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
