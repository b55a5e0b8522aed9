"""How the benchmarks take time, and that all of them run."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.timing import Elsewhere, compare


def test_a_number_that_a_contender_returns_is_no_time() -> None:
    """But that of another process is, whose work this one's clock does not see."""
    contenders = {"here": lambda: 1234.5, "elsewhere": lambda: Elsewhere(6.0)}
    seconds = compare(
        "two", contenders, Namespace(clock="wall", rounds=2, smallest=False), repeats=3
    )
    assert max(seconds["here"]) < 100
    assert seconds["elsewhere"] == [6.0, 6.0]


BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# One waits for another program, the other two are parts of all.
PARTS = ("__init__", "pytorch_step", "timing")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted({path.stem for path in BENCHMARKS.glob("*.py")}.difference(PARTS))
)
def test_every_benchmark_prints_its_tables(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--threads", "1", "--smallest"]
    ran = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "|" in ran.stdout
