"""Images that a student is taught with and nobody needs to know the classes of."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kextract.datasets.dataset import dimensions
from kextract.datasets.image_files import is_image_name, open_image
from kextract.datasets.images import Pixels
from kextract.datasets.loading import load_dataset
from kextract.datasets.npz import read_images
from kextract.datasets.npz_members import MAX_BYTES
from kextract.datasets.registry import DATASETS
from kextract.datasets.resizing import fitted
from kextract.datasets.streamed import StoredPixels, StreamedImages
from kextract.errors import DatasetError, KextractError, UnknownNameError
from kextract.text import counted, one_line

LARGEST_CANVAS = 512
"""Most pixels along a side of what crops are cut out of."""
CANVAS_BYTES = 128 << 20
"""Most bytes of all such canvases, unless they are as small as the crops."""

MEMORY = 1 << 30
"""Bytes of pixels up to which a folder is read into memory, to be fast."""


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
            return StreamedImages(found, input_shape)
        return _checked_and_brought_to(found, reference, input_shape)


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
    the images as `x_train`, `x`, `images` or `x_test`; or a folder with PNG and JPEG files in it
    and in its sub-folders (in `train` alone, where there is one). Labels are never looked at. See
    `fitted` for what is done to the images. Raises DatasetError, naming the flag, for what cannot
    be used.
    """
    with _refusing(reference, flag):
        return _checked_and_brought_to(_find(reference, data_dir, say), reference, input_shape)


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
        return _brought_to(found, (side, side, channels))


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
    # Unlike Path's own, it leaves the home of nobody as it is.
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
        return image_paths(path / "train" if (path / "train").is_dir() else path)
    if path.is_file() and path.suffix.lower() == ".npz":
        return read_images(path, say)
    if not reference or not (path.exists() or path.suffix or path.name != reference):
        raise UnknownNameError("data set", one_line(reference), DATASETS)
    found = "another kind of file" if path.exists() else "nothing there"
    raise DatasetError(
        f"{one_line(path)}: expected the name of a data set, an .npz file or a folder of"
        f" images, found {found}"
    )


def read_files(paths: Sequence[Path], shape: tuple[int, int, int]) -> Pixels:
    """Read image files of any size as uint8 (n, *shape). Raises DatasetError."""
    return _brought_to(paths, shape)


def _checked_and_brought_to(
    found: Pixels | Sequence[Path], reference: str, shape: tuple[int, int, int]
) -> Pixels:
    _check_room(one_line(reference), len(found), shape)
    return _brought_to(found, shape)


def _brought_to(found: Pixels | Sequence[Path], shape: tuple[int, int, int]) -> Pixels:
    """Return images, or those of files, as uint8 (n, *shape)."""
    if isinstance(found, np.ndarray):
        return fitted(found, shape)
    # All headers are looked at before the first image is decoded: that is what takes long.
    files = [open_image(path) for path in found]
    images = np.empty((len(files), *shape), np.uint8)
    for target, file in zip(images, files, strict=True):
        target[...] = fitted(file.decode()[None], shape)[0]
    return images


def image_paths(folder: Path) -> list[Path]:
    """List the image files below a folder, in the order of their names. Raises DatasetError."""

    def refuse(error: OSError) -> None:
        raise DatasetError(
            f"{one_line(error.filename)}: cannot be read ({one_line(error.strerror)})"
        ) from error

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place) / name for name in sorted(names) if is_image_name(name)]
    if not found:
        raise DatasetError(f"{one_line(folder)}: expected .png or .jpg images, found none")
    return found


def _check_room(where: str, count: int, shape: tuple[int, int, int]) -> None:
    if count * int(np.prod(shape)) > MAX_BYTES:
        raise DatasetError(
            f"{where}: expected at most {MAX_BYTES >> 30} GiB of pixels, found {count} images that"
            f" become {dimensions(shape)}; give fewer"
        )
