"""One process at a time: a lock that is a file, so that it works between unrelated processes."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

POLL_SECONDS = 0.2
STALE_SECONDS = 1800.0
"""Age at which a lock without an owner known to the system is taken to be left by a dead process:
longer than a download of the largest data set takes."""


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for whoever has it.

    The operating system frees the lock when its holder dies. Where it cannot lock, the file's
    existence is the lock. Where the folder cannot be written, there is nothing that a second
    process could spoil, and nothing is locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666) if fcntl else -1
    except OSError:
        yield
        return
    if fcntl is None:
        with _existence(path):
            yield
        return
    try:
        locked = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # a network file system without locks
            locked = False
        with contextlib.nullcontext() if locked else _existence(path.with_suffix(".owned")):
            yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _existence(path: Path) -> Iterator[None]:
    while True:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            _drop_if_stale(path)
        except PermissionError:  # Windows, while the last holder's file is being deleted
            if not path.exists():
                raise
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _drop_if_stale(path: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            path.unlink()
