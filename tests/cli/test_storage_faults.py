"""Full disks, read-only folders, folders that vanish: one line, and what was there stays whole."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.program import kextract, kextract_acted_on
from tests.common import names

TEACH = (
    *("train-teacher", "--dataset", "shades.npz", "--model", "own.keras", "--patience", "0"),
    *("--batch-size", "2", "--precision", "float32", "--format", "plain"),
)


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


def test_a_folder_deleted_under_the_run_ends_it_in_one_line(bench: Path) -> None:
    words = (*TEACH, "--epochs", "2000", "-o", "out/model.weights.h5")
    done = kextract_acted_on(1, lambda: shutil.rmtree(bench / "out"), *words, cwd=bench)
    assert done.code == 1
    assert done.stderr.splitlines()[-1] == (
        "kextract: cannot write 'out/.model.resume.h5': No such file or directory; nothing was kept"
    )
    assert not (bench / "out").exists()
