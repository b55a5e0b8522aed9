import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from kextract.datasets.loading import exclusive

# Stands for a download: whoever finds no file writes it slowly, in pieces, and notes that he did.
FETCH = """
import errno, fcntl, os, sys, time
from pathlib import Path
from kextract.datasets.loading import exclusive
folder = Path(sys.argv[1])
if sys.argv[2] == "without":
    def flock(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")
    fcntl.flock = flock

def fetch():
    with exclusive(folder / "deep" / "cache.lock"):
        if "die" in sys.argv:
            os._exit(9)
        if not (folder / "data").exists():
            with (folder / "fetched").open("a") as log:
                log.write("once ")
            with (folder / "data").open("w", buffering=1) as data:
                for _ in range(10):
                    data.write("piece\\n")
                    time.sleep(0.02)
        assert (folder / "data").read_text().count("piece") == 10

count = int(sys.argv[3])
for _ in range(count):
    if not os.fork():
        code = 1
        try:
            fetch()
            code = 0
        finally:
            os._exit(code)
sys.exit(max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(count)))
"""


def processes(count: int, folder: Path, system_locks: str, *words: str) -> int:
    """Fetch in so many processes at once; give the largest exit code."""
    command = [sys.executable, "-c", FETCH, str(folder), system_locks, str(count), *words]
    return subprocess.run(command, check=False, timeout=60).returncode


def no_locks(handle: int, operation: int) -> None:
    """Stand in for `flock` on a network file system without locks."""
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("system_locks", ["with", "without"])
def test_of_ten_processes_one_fetches_and_all_end_well(tmp_path: Path, system_locks: str) -> None:
    assert processes(10, tmp_path, system_locks) == 0
    assert (tmp_path / "fetched").read_text() == "once "


def test_a_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), exclusive(tmp_path / "lock"):
        raise RuntimeError
    with exclusive(tmp_path / "lock"):
        pass


def test_the_lock_of_a_process_that_died_is_free_where_no_system_watches_it(tmp_path: Path) -> None:
    assert processes(1, tmp_path, "without", "die") == 9
    assert processes(1, tmp_path, "without") == 0


def test_a_lock_that_no_system_watches_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr("kextract.datasets.loading.PATIENCE_SECONDS", 0.1)
    (tmp_path / "lock.owned").write_text("1\na machine that is not here\n")
    with exclusive(tmp_path / "lock"):
        assert (tmp_path / "lock.owned").exists()


def test_where_nothing_can_be_written_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with exclusive(tmp_path / "file" / "lock"):
        pass
