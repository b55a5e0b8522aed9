"""Damaged files are refused in one line, soon and within memory, or mean what they say."""

import pytest

from tests.fuzzing.families import FAMILIES
from tests.fuzzing.running import run

SLOW = {"runtimes": pytest.mark.slow}
KINDS = [pytest.param(kind, marks=SLOW.get(kind, ())) for kind in FAMILIES]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_read(kind: str) -> None:
    count = 20
    report = run(FAMILIES[kind](seed=2020), count)
    assert not report.failures
    assert sum(report.counts[key] for key in report.counts if key[1] == "refused") >= count // 5
