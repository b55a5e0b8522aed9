"""Finding a data set: by its name, downloaded where need be, as an `.npz` file or a folder."""

import contextlib
import io
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
from filelock import FileLock, SoftFileLock
from numpy.typing import NDArray

from kextract import runtime
from kextract.datasets.image_folders import read_folder
from kextract.datasets.images import Arrays, Dataset, Labels, Pixels
from kextract.datasets.names import DATASETS, DatasetSpec
from kextract.datasets.npz import names_for, read_npz
from kextract.errors import DatasetError, UnknownNameError
from kextract.text import dimensions, one_line

TIMEOUT_SECONDS = 60.0
"""Silence of the network after which a download fails; Keras itself waits for ever."""

PATIENCE_SECONDS = 1800.0
"""How long a lock is respected that no system watches over: longer than the largest download."""


def load_dataset(name_or_path: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set by its name, or from an `.npz` file or a folder of images.

    A name is looked for as `data_dir/NAME.npz` first, then in Keras's cache, then on the network;
    `strokes` is always generated. A name comes before a file or folder that is called the same
    (write `./mnist` for that). `read_npz` and `read_folder` say what files and folders may hold.
    Raises UnknownNameError for what is neither, DatasetError for what cannot be used.
    """
    spec = DATASETS.get(name_or_path)
    if spec is not None:
        return _load_named(name_or_path, spec, data_dir)
    # Unlike Path's own, it leaves the home of an unknown user as it is.
    path = Path(os.path.expanduser(name_or_path))  # noqa: PTH111
    try:
        if not _looks_like_path(name_or_path) and not path.exists():
            raise UnknownNameError("data set", one_line(name_or_path), DATASETS)
        return _load_path(path)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        reason = one_line(error.strerror or error)
        raise DatasetError(f"{one_line(name_or_path)[:80]}: cannot be read ({reason})") from error


def _load_named(name: str, spec: DatasetSpec, data_dir: Path | None) -> Dataset:
    if spec.generate is not None:
        return Dataset(name, *spec.generate(), spec.class_names, spec.flip)
    if data_dir is not None and not data_dir.is_dir():
        raise DatasetError(
            f"--data-dir {one_line(data_dir)}: expected a folder with {name}.npz, found "
            f"{'a file' if data_dir.exists() else 'nothing'}"
        )
    local = data_dir / f"{name}.npz" if data_dir is not None else None
    if local is None or not local.exists():
        return Dataset(name, *download(name), spec.class_names, spec.flip)
    notes: list[str] = []
    arrays, _ = read_npz(local, notes.append)
    dataset = Dataset(
        name, *arrays, spec.class_names, spec.flip, source=str(local), notes=tuple(notes)
    )
    if dataset.input_shape != spec.input_shape:
        raise DatasetError(
            f"{one_line(local)}: expected images of {dimensions(spec.input_shape)}, "
            f"found {dimensions(dataset.input_shape)}"
        )
    return dataset


def _looks_like_path(text: str) -> bool:
    return "/" in text or os.sep in text or text.lower().endswith(".npz")


def _load_path(path: Path) -> Dataset:
    name = one_line(path.resolve().stem if path.is_file() else path.resolve().name)
    notes: list[str] = []
    if path.is_dir():
        arrays, names = read_folder(path, notes.append)
        return Dataset(name, *arrays, names, source=str(path), notes=tuple(notes))
    if not path.is_file() or path.suffix.lower() != ".npz":
        found = "another kind of file" if path.exists() else "nothing there"
        raise DatasetError(
            f"{one_line(path)}: expected an .npz file or a folder of images, found {found}"
        )
    arrays, named = read_npz(path, notes.append)
    names = named or names_for(arrays)
    return Dataset(name, *arrays, names, source=str(path), notes=tuple(notes))


def download(name: str) -> Arrays:
    """Load the data set `name` through `keras.datasets`, one process at a time.

    Images are uint8 (n, h, w, c), labels int64 (n,). Raises DatasetError where it is neither in
    Keras's cache nor to be had from the network.
    """
    runtime.start()
    from keras.datasets import cifar10, cifar100, fashion_mnist, mnist

    modules = {
        "mnist": mnist,
        "fashion-mnist": fashion_mnist,
        "cifar10": cifar10,
        "cifar100": cifar100,
    }
    cache = cache_folder()
    # Keras unpacks archives anew at every load, so readers are in each other's way too.
    with exclusive(cache / "kextract.lock"), _quiet(), _patience():
        try:
            (x_train, y_train), (x_test, y_test) = modules[name].load_data()
        except Exception as error:  # Keras raises bare Exception where a download fails
            raise DatasetError(
                f"cannot download '{name}' ({one_line(error) or type(error).__name__}): put "
                f"{name}.npz in a folder and pass --data-dir FOLDER or set KEXTRACT_DATA; a "
                f"damaged copy may be in {one_line(cache)}"
            ) from error
    return _tidy_images(x_train), _tidy_labels(y_train), _tidy_images(x_test), _tidy_labels(y_test)


def cache_folder() -> Path:
    """Name the folder that Keras downloads to, by the same rules as `keras.utils.get_file`."""
    home = runtime.keras_json().parent
    if not os.access(home, os.W_OK):
        home = Path(tempfile.gettempdir()) / ".keras"
    return home / "datasets"


def _tidy_images(images: Pixels) -> Pixels:
    return np.ascontiguousarray(images[..., None] if images.ndim == 3 else images)


def _tidy_labels(labels: NDArray[np.int64 | np.uint8]) -> Labels:
    return np.asarray(labels, dtype=np.int64).reshape(-1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send Keras's progress bar to the terminal's error stream, or nowhere: stdout is results."""
    target: TextIO = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with contextlib.redirect_stdout(target):
        yield


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for the process that has it.

    The operating system frees the lock when its holder dies. Where it cannot lock, as on some
    network file systems, the existence of a file is the lock, until its holder is dead. Where the
    folder cannot be written, there is nothing that a second process could spoil, and nothing is
    locked.
    """
    locks = (
        FileLock(path, fallback_to_soft=False),
        SoftFileLock(path.with_suffix(".owned"), timeout=PATIENCE_SECONDS),
    )
    with ExitStack() as stack:
        for lock in locks:
            try:
                stack.enter_context(lock)
                break
            except OSError:
                continue
        yield
