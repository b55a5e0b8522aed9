"""Full disks, read-only folders, folders that vanish: one line, and what was there stays whole."""

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from kextract.errors import RequestError, StorageError
from kextract.records import EpochRecord, Snapshot
from kextract.runs.resume_store import reserved
from kextract.storage.resume import read_resume, resume_path, write_resume
from tests.cli.program import Finished, kextract, kextract_acted_on
from tests.cli.stopping import Running

TEACH = (
    *("train-teacher", "--dataset", "shades.npz", "--model", "own.keras", "--patience", "0"),
    *("--batch-size", "2", "--precision", "float32", "--format", "plain"),
)


@pytest.fixture
def bench(workshop: Path, network: Path, tmp_path: Path) -> Path:
    shutil.copy(network, tmp_path)
    shutil.copy(workshop / "shades.npz", tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no file of more bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_run_in_one_line_and_spares_the_old_file(bench: Path) -> None:
    (bench / "out" / "model.weights.h5").write_text("the old file")
    with files_of_at_most(30_000):
        done = kextract(
            *(*TEACH, "--model", "lenet5", "--epochs", "2", "--overwrite"),
            *("-o", "out/model.weights.h5"),
            cwd=bench,
        )
    assert done.code == 1
    assert done.stderr.splitlines()[-1] == (
        "kextract: cannot write 'out/.model.resume.h5': File too large; nothing was kept"
    )
    assert names(bench / "out") == ["model.weights.h5"]
    assert (bench / "out" / "model.weights.h5").read_text() == "the old file"


FOREVER = (*TEACH, "--epochs", "2000", "-o", "out/model.weights.h5")


def deleted_between_epochs(bench: Path) -> Finished:
    return kextract_acted_on(1, lambda: shutil.rmtree(bench / "out"), *FOREVER, cwd=bench)


def deleted_at_any_moment(bench: Path) -> Finished:
    """Delete the folder of a run in another process, which may be writing into it just then."""
    with Running(*FOREVER, cwd=bench) as run:
        run.wait_for_row(1)
        shutil.rmtree(bench / "out", ignore_errors=True)
        while (bench / "out").exists():
            shutil.rmtree(bench / "out", ignore_errors=True)
        return run.end()


@pytest.mark.parametrize(
    "run",
    [deleted_between_epochs, pytest.param(deleted_at_any_moment, marks=pytest.mark.slow)],
)
def test_a_folder_deleted_under_the_run_ends_it_in_one_line(
    run: Callable[[Path], Finished], bench: Path
) -> None:
    done = run(bench)
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
