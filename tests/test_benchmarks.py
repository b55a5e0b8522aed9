"""How the benchmarks take time."""

from argparse import Namespace

from benchmarks.timing import Elsewhere, compare


def test_a_number_that_a_contender_returns_is_no_time() -> None:
    """But that of another process is, whose work this one's clock does not see."""
    contenders = {"here": lambda: 1234.5, "elsewhere": lambda: Elsewhere(6.0)}
    seconds = compare("two", contenders, Namespace(clock="wall", rounds=2), repeats=3)
    assert max(seconds["here"]) < 100
    assert seconds["elsewhere"] == [6.0, 6.0]
