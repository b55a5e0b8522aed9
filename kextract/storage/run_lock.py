"""One run at a time for each output file.

The lock is held on a hidden file beside the output, in which its owner says who it is. The
operating system frees the lock when its owner dies, so a lock file that is left behind by a killed
run keeps nobody out.
"""

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from kextract.errors import RequestError
from kextract.storage.atomic import SUFFIX, reason
from kextract.storage.refusal import printable
from kextract.storage.resume import resume_path

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: runs with the same output are not kept apart there.
    fcntl = None

_OWNER_BYTES = 4096
# A lock file is written to, so it must not be a link to somebody's other file.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


def lock_path(output: Path) -> Path:
    """Name the lock file of an output."""
    return output.with_name(f".{output.name.removesuffix(SUFFIX)}.lock")


@contextmanager
def run_lock(output: Path) -> Iterator[None]:
    """Keep other runs away from `output`, and clear away what killed ones left half-written.

    Raises RequestError, naming process and start, while another run holds the lock. On file systems
    without locks nothing is locked.
    """
    handle = _acquire(output)
    try:
        if handle is not None:
            _remove_leftovers(output)
        yield
    finally:
        if handle is not None:
            # Removed while it is still held: see `_acquire`.
            with contextlib.suppress(OSError):
                lock_path(output).unlink()
            os.close(handle)


def _acquire(output: Path) -> int | None:
    """Lock the file and sign it; return its open handle, or None where there are no locks."""
    if fcntl is None:
        return None
    path = lock_path(output)
    while True:
        try:
            handle = os.open(path, _FLAGS, 0o644)
        except OSError as error:
            raise RequestError(f"--output: cannot lock '{path}': {reason(error)}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(handle)
            os.close(handle)
            raise RequestError(
                f"another run is writing '{output}' ({owner}): wait for it to end, or choose"
                " another --output"
            ) from None
        except OSError:
            os.close(handle)
            return None
        # The last owner may have removed the file between our opening and our locking it.
        if _is_file_of(handle, path):
            _sign(handle)
            return handle
        os.close(handle)


def _is_file_of(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # A full disk takes the name from the lock, not the lock from the run.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)


def _owner(handle: int) -> str:
    """Say who holds a lock, as far as it has signed."""
    try:
        owner = json.loads(os.pread(handle, _OWNER_BYTES, 0))
        pid, host, started = (printable(str(owner[name])) for name in ("pid", "host", "started"))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "it has only just begun"
    return f"process {pid} on {host}, since {started}"


def _remove_leftovers(output: Path) -> None:
    """Remove the temporary files of dead writers, named as `atomic_write` names them."""
    for path in (output, resume_path(output)):
        ending = SUFFIX if path.name.endswith(SUFFIX) else path.suffix
        name = re.escape(path.name.removesuffix(ending))
        pattern = re.compile(rf"\.{name}\.(\d+){re.escape(ending)}")
        with contextlib.suppress(OSError):
            for entry in os.listdir(output.parent):  # noqa: PTH208 - names are all it takes
                found = pattern.fullmatch(entry)
                if found and not _lives(int(found[1])):
                    (output.parent / entry).unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    """Tell whether a process of this machine may still be writing."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
