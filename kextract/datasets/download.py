"""Data sets that Keras can download, out of its cache or from the network."""

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
from kextract.datasets.dataset import Arrays
from kextract.datasets.images import Labels, Pixels
from kextract.errors import DatasetError
from kextract.text import one_line

TIMEOUT_SECONDS = 60.0
"""Silence of the network after which a download fails; Keras itself waits for ever."""

PATIENCE_SECONDS = 1800.0
"""How long a lock is respected that no system watches over: longer than the largest download."""


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
