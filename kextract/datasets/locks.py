"""One process at a time: a lock that is a file, so that it works between unrelated processes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, SoftFileLock

PATIENCE_SECONDS = 1800.0
"""How long a lock is respected that no system watches over: longer than the largest download."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for whoever has it.

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
