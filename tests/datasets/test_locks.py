import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kextract.datasets import locks
from kextract.datasets.locks import exclusive

# Stands for a download: whoever finds no file writes it slowly, in pieces, and notes that he did.
FETCH = """
import os, sys, time
from pathlib import Path
from kextract.datasets import locks
folder = Path(sys.argv[1])
if sys.argv[2] == "without":
    locks.fcntl = None
    locks.POLL_SECONDS = 0.01
with locks.exclusive(folder / "deep" / "cache.lock"):
    if not (folder / "data").exists():
        with (folder / "fetched").open("a") as log:
            log.write("once ")
        with (folder / "data").open("w", buffering=1) as data:
            for _ in range(10):
                data.write("piece\\n")
                time.sleep(0.02)
    assert (folder / "data").read_text().count("piece") == 10
"""


@pytest.mark.parametrize("system_locks", ["with", "without"])
def test_of_twenty_processes_one_fetches_and_all_end_well(
    tmp_path: Path, system_locks: str
) -> None:
    command = [sys.executable, "-c", FETCH, str(tmp_path), system_locks]
    processes = [subprocess.Popen(command) for _ in range(20)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 20
    assert (tmp_path / "fetched").read_text() == "once "


@pytest.mark.parametrize("system_locks", [True, False])
def test_a_lock_is_free_again_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system_locks: bool
) -> None:
    if not system_locks:
        monkeypatch.setattr(locks, "fcntl", None)
    with pytest.raises(RuntimeError), exclusive(tmp_path / "lock"):
        raise RuntimeError
    with exclusive(tmp_path / "lock"):
        pass


def test_the_lock_of_a_process_that_died_is_free(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from kextract.datasets.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1])): os._exit(9)"
    )
    lock = tmp_path / "lock"
    assert subprocess.run([sys.executable, "-c", script, str(lock)], check=False).returncode == 9
    with exclusive(lock):
        pass


def test_without_system_locks_an_old_lock_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.01)
    lock = tmp_path / "lock"
    lock.touch()
    old = time.time() - locks.STALE_SECONDS - 1
    os.utime(lock, (old, old))
    with exclusive(lock):
        assert time.time() - lock.stat().st_mtime < 60
    assert not lock.exists()


def test_a_network_folder_that_cannot_lock_is_still_guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.01)
    order: list[str] = []

    def second() -> None:
        with exclusive(tmp_path / "lock"):
            order.append("second")

    with exclusive(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.2)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]


def test_where_nothing_can_be_written_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with exclusive(tmp_path / "file" / "lock"):
        pass
