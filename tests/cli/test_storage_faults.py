"""Full disks, read-only folders, folders that vanish: one line, and what was there stays whole."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kextract.errors import RequestError, StorageError
from kextract.records import EpochRecord, Snapshot
from kextract.runs.keeping import reserved
from kextract.storage.resume import read_resume, resume_path, write_resume
from tests.cli.stopping import Running

TEACH = (
    *("train-teacher", "--dataset", "shades.npz", "--model", "lenet5", "--patience", "0"),
    *("--batch-size", "2", "--precision", "float32", "--format", "plain"),
)
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.executable, [sys.executable, "-m", "kextract", *sys.argv[2:]])
"""


@pytest.fixture
def bench(workshop: Path, tmp_path: Path) -> Path:
    shutil.copy(workshop / "shades.npz", tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_full_disk_ends_the_run_in_one_line_and_spares_the_old_file(bench: Path) -> None:
    (bench / "out" / "model.weights.h5").write_text("the old file")
    done = subprocess.run(
        [
            *(sys.executable, "-c", LIMITED, "30000", *TEACH, "--epochs", "2", "--overwrite"),
            *("-o", "out/model.weights.h5"),
        ],
        cwd=bench,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "kextract: cannot write 'out/.model.resume.h5': File too large; nothing was kept"
    )
    assert "Traceback" not in done.stderr
    assert names(bench / "out") == ["model.weights.h5"]
    assert (bench / "out" / "model.weights.h5").read_text() == "the old file"


def test_a_folder_deleted_under_the_run_ends_it_in_one_line(bench: Path) -> None:
    words = (*TEACH, "--epochs", "2000", "-o", "out/model.weights.h5")
    with Running(*words, cwd=bench) as run:
        run.wait_for_row(1)
        # The run may be writing into it at this moment.
        shutil.rmtree(bench / "out", ignore_errors=True)
        while (bench / "out").exists():
            shutil.rmtree(bench / "out", ignore_errors=True)
        done = run.end()
    assert done.code == 1
    assert done.stderr.splitlines()[-1] == (
        "kextract: cannot write 'out/.model.resume.h5': No such file or directory; nothing was kept"
    )
    assert not (bench / "out").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KB; only root may mount one."""
    mount = shutil.which("mount")
    words = [*(mount or "mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs"), str(tmp_path)]
    if mount is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def epoch(number: int) -> Snapshot:
    """What is kept after an epoch, 100 KB of it: two fit on the disk, three do not."""
    history = tuple(EpochRecord(n, loss=1.0) for n in range(number + 1))
    return Snapshot(history, {"model/0": np.full(25_000, number, np.float32)})


def test_a_disk_that_fills_up_keeps_the_last_epoch_that_fitted(small_disk: Path) -> None:
    output = small_disk / "model.weights.h5"
    with (
        pytest.raises(
            StorageError, match="No space left on device; epoch 1 is kept; to continue: "
        ),
        reserved(output, resume=False, overwrite=False, command="kextract") as keeping,
    ):
        assert keeping.begin({"--seed": 0}, epochs=3) is None
        keeping.keep(epoch(1))
        (small_disk / "ballast").write_bytes(bytes(100_000))
        keeping.keep(epoch(2))
    (small_disk / "ballast").unlink()
    assert names(small_disk) == [".model.resume.h5"]
    with reserved(output, resume=True, overwrite=False, command="kextract") as keeping:
        earlier = keeping.begin({"--seed": 0}, epochs=3)
        assert earlier is not None and len(earlier.history) == 2
        keeping.keep(epoch(2))


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def test_a_folder_that_becomes_read_only_spares_what_was_reserved(small_disk: Path) -> None:
    path = resume_path(small_disk / "model.weights.h5")
    write_resume(path, epoch(1), {})
    remount(small_disk, "ro")
    try:
        with pytest.raises(StorageError, match="Read-only file system"):
            write_resume(path, epoch(2), {})
        with (
            pytest.raises(RequestError, match=r"--output: cannot write to .*Read-only"),
            reserved(
                small_disk / "other.weights.h5", resume=False, overwrite=False, command="kextract"
            ),
        ):
            pass
        assert len(read_resume(path).snapshot.history) == 2
    finally:
        remount(small_disk, "rw")
