import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kextract.errors import RequestError
from kextract.storage import atomic_write
from kextract.storage.resume import resume_path
from kextract.storage.run_lock import lock_path, run_lock
from tests.common import names

HOLD = """
import sys
from pathlib import Path
from kextract.storage.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
AT_ONCE = """
import os, sys, time
from pathlib import Path
from kextract.errors import RequestError
from kextract.storage.run_lock import run_lock
folder = Path(sys.argv[1])

def work(name):
    output = folder / f"{name}.weights.h5"
    try:
        with run_lock(output):
            # Fails where another one is in here too.
            inside = os.open(folder / f"{name}.inside", os.O_CREAT | os.O_EXCL)
            time.sleep(0.01)
            os.unlink(folder / f"{name}.inside")
    except RequestError:
        return 3
    return 0

names = sys.argv[2:]
workers = {}
for number, name in enumerate(names):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = work(name)
        finally:
            os._exit(code)
    workers[pid] = number
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers])
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "model.weights.h5"


def holder(output: Path) -> "subprocess.Popen[str]":
    """Start a process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_second_run_is_refused_naming_the_first_and_its_start(output: Path) -> None:
    today = datetime.now(UTC).date().isoformat()
    with holder(output) as first, pytest.raises(RequestError) as caught, run_lock(output):
        pass
    message = str(caught.value)
    assert f"'{output}'" in message
    assert f"process {first.pid} on" in message
    assert f"since {today}" in message
    assert "--output" in message


def test_the_lock_of_a_killed_run_is_free_at_once(output: Path) -> None:
    with holder(output) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert lock_path(output).exists()
        with run_lock(output):
            assert json.loads(lock_path(output).read_text())["pid"] == os.getpid()
    assert names(output.parent) == []


@pytest.mark.parametrize("content", ["", '{"pid": 1}', "[" * 9999, "\x00" * 9999])
def test_a_lock_that_says_nothing_of_use_still_locks(output: Path, content: str) -> None:
    lock_path(output).write_text(content)
    with lock_path(output).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RequestError, match="another run") as caught, run_lock(output):
            pass
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_a_lock_is_linked_to_is_not_written_to(output: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    lock_path(output).symlink_to(tmp_path / "precious")
    with pytest.raises(RequestError, match="cannot lock"), run_lock(output):
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_where_there_are_no_locks_runs_go_on_without(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with run_lock(output), run_lock(output):
        pass


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(path: Path, pid: int) -> Path:
    """Leave a temporary file as `atomic_write` of that process would, when it is killed."""
    with atomic_write(path, overwrite=True) as temporary:
        temporary.touch()
    left = temporary.with_name(temporary.name.replace(str(os.getpid()), str(pid)))
    left.write_text("half")
    path.unlink()
    return left


def test_what_killed_runs_left_half_written_is_cleared_away(output: Path) -> None:
    for path in (output, resume_path(output)):
        leftover(path, dead_process())
    assert len(names(output.parent)) == 2
    with run_lock(output):
        assert names(output.parent) == [".model.lock"]


def test_what_others_are_writing_is_left_alone(output: Path) -> None:
    kept = [
        leftover(output, os.getppid()),
        leftover(output.with_name("model.2.weights.h5"), dead_process()),
        leftover(output.with_name("another.weights.h5"), dead_process()),
        output.with_name("model.17.weights.h5"),
        output.with_name(".model.weights.h5"),
        resume_path(output),
    ]
    for path in kept:
        path.touch()
    with run_lock(output):
        assert all(path.exists() for path in kept)


def at_once(folder: Path, names: list[str]) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, str(folder), *names],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    codes: list[int] = json.loads(done.stdout)
    return codes


def test_of_twenty_runs_with_one_output_never_two_go_ahead_together(tmp_path: Path) -> None:
    codes = at_once(tmp_path, ["model"] * 20)
    assert set(codes) <= {0, 3}
    assert 0 in codes
    assert names(tmp_path) == []
