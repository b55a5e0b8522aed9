"""Damaged files are refused in one line, soon and within memory, or mean what they say."""

from pathlib import Path

import pytest

from tests.fuzzing.families import FAMILIES, NpzFiles
from tests.fuzzing.running import run, run_here

SLOW = {"runtimes": pytest.mark.slow}
KINDS = [pytest.param(kind, marks=SLOW.get(kind, ())) for kind in FAMILIES]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_read(kind: str) -> None:
    count = 25
    report = run_here(FAMILIES[kind](seed=2020), count)
    assert not report.failures
    assert sum(report.counts[key] for key in report.counts if key[1] == "refused") > count // 4


def test_a_child_process_reads_them_too() -> None:
    report = run(NpzFiles(seed=2021), count=20)
    assert not report.failures
    assert sum(report.counts.values()) == 20


@pytest.mark.parametrize("kind", ["checkpoints", "npz", "folders"])
def test_the_same_seed_makes_the_same_files(kind: str, tmp_path: Path) -> None:
    family = FAMILIES[kind](seed=1)

    def made(number: int) -> list[object]:
        names = family.make(number, tmp_path)
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        return [names, *(path.read_bytes() for path in files)]

    for number in range(9):
        assert made(number) == made(number)
