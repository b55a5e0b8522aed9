"""One run at a time for each output file.

The lock is held on a hidden file beside the output, in which its owner says who it is. The
operating system frees the lock when its owner dies, so a lock file that is left behind by a killed
run blocks no other.
"""

import errno
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kextract.errors import RequestError
from kextract.storage.atomic import SUFFIX, reason
from kextract.storage.resume import resume_path
from kextract.text import printable

_OWNER_BYTES = 4096
_PATIENCE_SECONDS = 0.2
"""An owner that ends removes its file; a run that was about to lock that one has to look again."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}
"""What file systems without locks answer."""


def lock_path(output: Path) -> Path:
    """Name the lock file of an output."""
    return output.with_name(f".{output.name.removesuffix(SUFFIX)}.lock")


@contextmanager
def run_lock(output: Path, flag: str = "--output") -> Iterator[None]:
    """Keep other runs away from `output`, and clear away what killed ones left half-written.

    `flag` is the option that names it. Raises RequestError, naming process and start, while another
    run holds the lock. On file systems without locks nothing is locked.
    """
    path = lock_path(output)
    lock = FileLock(path, _PATIENCE_SECONDS, 0o644, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise RequestError(
            f"another run is writing '{output}' ({_owner(path)}): wait for it to end, or choose"
            f" another {flag}"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise RequestError(f"{flag}: cannot lock '{path}': {reason(error)}") from error
        yield
        return
    try:
        _sign(path)
        _remove_leftovers(output)
        yield
    finally:
        # Removed while it is still held, or it could be the next owner's.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _sign(path: Path) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # A full disk takes the name from the lock, not the lock from the run.
    with suppress(OSError):
        path.write_text(json.dumps(owner))


def _owner(path: Path) -> str:
    """Say who holds a lock, as far as it has signed."""
    try:
        with path.open("rb") as file:
            owner = json.loads(file.read(_OWNER_BYTES))
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
        with suppress(OSError):
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
