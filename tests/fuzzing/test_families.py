"""Damaged files are refused in one line, soon and within memory, or mean what they say."""

from pathlib import Path

import pytest

from tests.fuzzing.families import FAMILIES
from tests.fuzzing.running import run

SLOW = {"runtimes": pytest.mark.slow}
KINDS = [pytest.param(kind, marks=SLOW.get(kind, ())) for kind in FAMILIES]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_read(kind: str) -> None:
    count = 25
    report = run(FAMILIES[kind](seed=2020), count)
    assert not report.failures
    assert sum(report.counts[key] for key in report.counts if key[1] == "refused") > count // 4


@pytest.mark.parametrize("kind", ["checkpoints", "folders"])
def test_the_same_seed_makes_the_same_files(kind: str, tmp_path: Path) -> None:
    family = FAMILIES[kind](seed=1)

    def made(number: int) -> list[object]:
        names = family.make(number, tmp_path)
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        return [names, *(path.read_bytes() for path in files)]

    for number in range(9):
        assert made(number) == made(number)
