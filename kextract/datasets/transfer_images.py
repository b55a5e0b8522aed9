"""Images that a student is taught with; their classes need not be known."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kextract.datasets.image_files import (
    Seen,
    StoredPixels,
    StreamedImages,
    decode_files,
    open_image,
)
from kextract.datasets.image_folders import find_splits, images_below, list_images, said, strays
from kextract.datasets.images import Pixels, fitted
from kextract.datasets.loading import load_dataset
from kextract.datasets.names import DATASETS
from kextract.datasets.npz import MAX_BYTES, read_images
from kextract.datasets.pixel_scale import UNIT, PixelRange, pixel_scale
from kextract.errors import DatasetError, KextractError, UnknownNameError
from kextract.text import counted, dimensions, one_line

LARGEST_CANVAS = 512
"""Most pixels along a side of what crops are cut out of."""
CANVAS_BYTES = 128 << 20
"""Most bytes of all such canvases, unless they are as small as the crops."""

MEMORY = 1 << 30
"""Bytes of pixels up to which a folder is read into memory, to be fast."""
SAMPLE = 64
"""Files of a larger one that are looked at before the work begins."""


Say = Callable[[str], object]
"""Takes a line about what was read, what was left out and what was guessed."""


def stream_transfer_images(
    reference: str,
    data_dir: Path | None,
    input_shape: tuple[int, int, int],
    say: Say = lambda text: None,
) -> StoredPixels:
    """Do as `load_transfer_images`, but leave the files of a folder larger than `MEMORY` unread."""
    with _refusing(reference, "--images"):
        found = _find(reference, data_dir, say)
        if isinstance(found, list) and len(found) * int(np.prod(input_shape)) > MEMORY:
            _check_sample(one_line(reference), found, say)
            return StreamedImages(found, input_shape)
        return _brought_to(found, one_line(reference), input_shape, say)


def load_transfer_images(
    reference: str,
    data_dir: Path | None,
    input_shape: tuple[int, int, int],
    *,
    flag: str = "--images",
    say: Say = lambda text: None,
) -> Pixels:
    """Load images of any size and return them as a teacher takes them: uint8 (n, *input_shape).

    `reference` is the name of a data set, of which the training images are taken; an `.npz` with
    the images as `x_train`, `x`, `images` or `x_test`; or a folder with images in it and in its
    sub-folders: all of them, or of a data set that is divided (see `find_splits`) the training
    images. Labels are never looked at. `say` is given how many images are used and what was left
    out. See `fitted` for what is done to them. Raises DatasetError, naming the flag, for what
    cannot be used.
    """
    with _refusing(reference, flag):
        found = _find(reference, data_dir, say)
        return _brought_to(found, one_line(reference), input_shape, say)


def load_canvases(
    reference: str,
    data_dir: Path | None,
    input_shape: tuple[int, int, int],
    say: Say = lambda text: None,
) -> Pixels:
    """Load images to cut crops out of: squares, uint8 (n, side, side, c).

    `reference` is as in `load_transfer_images`. The side is the longer one of `input_shape`,
    doubled for as long as half of the images are that large, `LARGEST_CANVAS` is not passed, and
    all find room in `CANVAS_BYTES`. Raises DatasetError, which names --images, for what cannot
    be used.
    """
    with _refusing(reference, "--images"):
        found = _find(reference, data_dir, say)
        side, channels = max(input_shape[:2]), input_shape[2]
        _check_room(one_line(reference), len(found), (side, side, channels))
        if isinstance(found, np.ndarray):
            typical = min(found.shape[1:3])
        else:
            files = [open_image(path) for path in found]
            typical = int(np.median([min(file.height, file.width) for file in files]))
        largest = min(typical, LARGEST_CANVAS)
        while 2 * side <= largest and len(found) * (2 * side) ** 2 * channels <= CANVAS_BYTES:
            side *= 2
        return _brought_to(found, one_line(reference), (side, side, channels), say)


@contextmanager
def _refusing(reference: str, flag: str) -> Iterator[None]:
    """Name the flag in what cannot be used."""
    try:
        yield
    except KextractError as error:
        raise DatasetError(f"{flag}: {error}") from error
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        where, reason = one_line(reference)[:80], one_line(error.strerror or error)
        raise DatasetError(f"{flag}: {where}: cannot be read ({reason})") from error


def _find(reference: str, data_dir: Path | None, say: Say) -> Pixels | list[Path]:
    """Return the images of a data set or an `.npz`, or the files of a folder."""
    # Unlike Path's own, it leaves the home of an unknown user as it is.
    path = Path(os.path.expanduser(reference))  # noqa: PTH111
    if reference in DATASETS:
        data = load_dataset(reference, data_dir)
        if data.x_train is None:
            raise DatasetError(f"data set '{reference}' has no training images")
        for note in data.notes:
            say(note)
        say(f"{reference}: {counted(len(data.x_train), 'training image')} used")
        return data.x_train
    if reference and path.is_dir():
        return _training_images(path, say)
    if path.is_file() and path.suffix.lower() == ".npz":
        return read_images(path, say)
    raise _unusable(reference, path)


def check_is_there(reference: str, flag: str = "--images") -> None:
    """Raise DatasetError for images that are not there; nothing of them is read."""
    with _refusing(reference, flag):
        path = Path(os.path.expanduser(reference))  # noqa: PTH111
        if not reference or not (reference in DATASETS or path.exists()):
            raise _unusable(reference, path)


def _unusable(reference: str, path: Path) -> KextractError:
    if not reference or not (path.exists() or path.suffix or path.name != reference):
        return UnknownNameError("data set", one_line(reference), DATASETS)
    found = "another kind of file" if path.exists() else "nothing there"
    return DatasetError(
        f"{one_line(path)}: expected the name of a data set, an .npz file or a folder of"
        f" images, found {found}"
    )


def read_files(where: str, paths: Sequence[Path], shape: tuple[int, int, int], say: Say) -> Pixels:
    """Read image files of any size as uint8 (n, *shape); `where` begins what is said of them.

    Raises DatasetError.
    """
    # All headers are looked at before the first image is decoded: that is what takes long.
    files = [open_image(path) for path in paths]
    return decode_files(where, {"": files}, shape, say)[""]


def read_folder_images(folder: Path, say: Say) -> list[Path]:
    """List all images in a folder and below it, and say how many there are."""
    found = images_below(folder)
    say(f"{one_line(folder)}: {counted(len(found.paths), 'image')} used{said(found.left_out)}")
    return found.paths


def _training_images(folder: Path, say: Say) -> list[Path]:
    """List the images in a folder; of one with training and test images, the training ones."""
    splits = find_splits(folder)
    if splits is None or splits.train is None or splits.test is None:
        return read_folder_images(folder, say)
    found = images_below(splits.train)
    left_out = found.left_out + strays(folder)
    for other in (splits.test, *splits.others):
        left_out[f"in {other.name}/"] += len(list_images(other).paths)
    say(
        f"{one_line(folder)}: {counted(len(found.paths), 'image')} used, those of"
        f" {one_line(splits.train.name)}/{said(left_out)}"
    )
    return found.paths


def _check_sample(where: str, paths: Sequence[Path], say: Say) -> None:
    """Refuse images that are all but black, by some of them; warn of dark ones."""
    seen = Seen()
    for path in paths[:: max(1, len(paths) // SAMPLE)]:
        open_image(path).decode(seen)
    brightest = max(seen.brightest, (seen.brightest_deep or 0) >> 8)
    scale, notes = pixel_scale(where, {"": PixelRange("u", 0, brightest)})
    if scale is UNIT:
        raise DatasetError(
            f"{where}: expected 255 for white, found none above 1 in {SAMPLE} files; rescale them"
        )
    for note in notes:
        say(note)


def _brought_to(
    found: Pixels | Sequence[Path], where: str, shape: tuple[int, int, int], say: Say
) -> Pixels:
    """Return images, or those of files, as uint8 (n, *shape)."""
    _check_room(where, len(found), shape)
    if isinstance(found, np.ndarray):
        return fitted(found, shape)
    return read_files(where, found, shape, say)


def _check_room(where: str, count: int, shape: tuple[int, int, int]) -> None:
    if count * int(np.prod(shape)) > MAX_BYTES:
        raise DatasetError(
            f"{where}: expected at most {MAX_BYTES >> 30} GiB of pixels, found {count} images that"
            f" become {dimensions(shape)}; give fewer"
        )
