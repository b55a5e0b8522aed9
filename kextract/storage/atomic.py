"""Files that are either written whole or not at all.

Work is written to a hidden temporary file in the same folder and published in one step, so neither
a crash nor a full disk nor Ctrl-C ever leaves half a file or destroys the one that was there.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kextract.errors import RequestError, StorageError

SUFFIX = ".weights.h5"
"""How every checkpoint's name ends; Keras insists on it."""

SAVED_MODEL = "saved_model.pb"
"""The file that makes a folder a SavedModel."""

_LONGEST_STEM = 100


def check_writable(path: Path, overwrite: bool) -> None:
    """Make sure, before work begins, that a checkpoint can be written to `path` when it is done.

    Raises RequestError for a name that does not end in `.weights.h5`, and as `check_place` does.
    """
    check_ending(path)
    check_place(path, overwrite)


def check_ending(path: Path) -> None:
    """Raise RequestError for a checkpoint's name that does not end in `.weights.h5`."""
    if not path.name.endswith(SUFFIX) or path.name == SUFFIX:
        raise RequestError(f"--output: '{path}' must end in '{SUFFIX}' (as in 'model{SUFFIX}')")


def check_new(path: Path) -> None:
    """Raise RequestError for a file that is there already."""
    if os.path.lexists(path):
        raise RequestError(f"'{path}' exists already; pass --overwrite to replace it")


def check_place(path: Path, overwrite: bool, flag: str = "--output") -> None:
    """Make sure that a file of any kind can be written to `path`, which `flag` named.

    Creates the folder. Raises RequestError for a file that exists already (unless `overwrite`), and
    for a folder that is none or is read-only.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise RequestError(f"{flag}: '{path}' is a folder; name a file in it")
        if not overwrite:
            check_new(path)
        # Asking for permission bits is not enough: root passes, read-only file systems differ.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise RequestError(f"{flag}: cannot write to '{path.parent}': {reason(error)}") from error


@contextmanager
def atomic_write(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; publish it as `path` when the block ends.

    The temporary name is hidden, holds the process id and ends like `path` does. It is removed
    whenever the block or the publishing fails, KeyboardInterrupt included. An OSError, in the block
    too, becomes a StorageError; a `path` that exists without `overwrite` a RequestError.
    """
    temporary = _temporary_path(path)
    try:
        if not overwrite:
            check_new(path)
        temporary.unlink(missing_ok=True)
        yield temporary
        _sync(temporary)
        _publish(temporary, path, overwrite)
        _sync(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write '{path}': {reason(error)}") from error
    finally:
        _remove(temporary)


@contextmanager
def atomic_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a hidden path beside `path`; publish the folder that the block makes there as `path`.

    As `atomic_write` for a folder of files, such as a SavedModel. With `overwrite` an older
    SavedModel is replaced, and nothing else: RequestError for any other file or folder.
    """
    temporary = _temporary_path(path)
    older = temporary.with_name(f"{temporary.name}.older")
    try:
        check_folder(path, overwrite)
        shutil.rmtree(temporary, ignore_errors=True)
        yield temporary
        for each in (*temporary.rglob("*"), temporary):
            _sync(each)
        if path.is_dir():
            path.rename(older)
        try:
            temporary.rename(path)
        except BaseException:
            if older.is_dir():
                older.rename(path)
            raise
        _sync(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write '{path}': {reason(error)}") from error
    finally:
        for folder in (temporary, older):
            shutil.rmtree(folder, ignore_errors=True)


def check_folder(path: Path, overwrite: bool) -> None:
    """Make sure that a SavedModel, which is a folder, can be put at `path`. Raises RequestError."""
    if not os.path.lexists(path):
        return
    if not (path / SAVED_MODEL).is_file() or path.is_symlink():
        raise RequestError(f"--output: '{path}' exists and is not a SavedModel; name a new folder")
    if not overwrite:
        check_new(path)


def reason(error: OSError) -> str:
    """Give the cause of an operating-system error in one line."""
    if error.errno:
        return os.strerror(error.errno)
    return " ".join(str(error).split()) or type(error).__name__


def _temporary_path(path: Path) -> Path:
    ending = SUFFIX if path.name.endswith(SUFFIX) else path.suffix
    stem = path.name.removesuffix(ending)[:_LONGEST_STEM]
    return path.with_name(f".{stem}.{os.getpid()}{ending}")


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)
    except OSError:
        check_new(path)
        # Some file systems (FAT, a few network ones) have no hard links.
        temporary.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The failure that brought us here is the one to report.
        return
