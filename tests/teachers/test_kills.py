"""A run that is killed at every point at which it touches the disk or the teacher.

A process that is killed leaves what it has written, and nothing else of it goes on. So does a copy
of its files that is made where the kill falls.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.teachers.asking import BudgetedTeacher, RetryPolicy, heading_of
from kextract.teachers.ledger import Counts, Ledger, open_ledger
from tests.teachers.examples import SOURCE, Brightness, all_of, images_of, pictures, recipes

BATCH = 4
IMAGES = pictures(12)
PER_BATCH = 5
"""Points of a batch: one after each commit, of questions, how many are sent and responses, and one
before and one after the teacher counts what it received."""
NEVER = 10_000


class Killed(BaseException):
    """What no handler of failures catches."""


class Reaper:
    """Kills at the `nth` point that a run comes to."""

    def __init__(self, nth: int) -> None:
        self.left = nth
        self.between = False
        """Whether it fell between the note that images are sent and their arrival."""

    def pass_by(self, *, between: bool = False) -> None:
        self.left -= 1
        if self.left < 0:
            self.between = between
            raise Killed


class Watched(Ledger):
    """A ledger whose commits are points."""

    reaper: Reaper

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        super()._write(statement, rows)
        self.reaper.pass_by()


def run(folder: Path, teacher: Brightness, reaper: Reaper) -> tuple[Path, Counts]:
    """Ask all images in a run that may be killed; return what it leaves, and what that counts."""

    class Counting(Brightness):
        def __call__(self, images: Any) -> Any:
            reaper.pass_by(between=True)
            outputs = teacher(images)
            reaper.pass_by()
            return outputs

    path = folder / "x.ledger.db"
    with open_ledger(path, heading_of(teacher), 60) as empty:
        empty.begin(SOURCE, images_of)
    left = folder / "left"
    ledger = Watched(path, room=60)
    ledger.reaper = reaper
    ledger.begin(SOURCE, images_of)
    try:
        rules = RetryPolicy(budget=60, at_once=BATCH)
        for _ in BudgetedTeacher(Counting(), ledger, rules).ask(recipes(IMAGES), 0):
            pass
    except Killed:
        pass
    left.mkdir()
    for file in folder.glob("x.ledger.db*"):
        shutil.copy(file, left)
    ledger.close()
    with Ledger(left / path.name, read_only=True) as found:
        return left, found.counts


@pytest.mark.parametrize("point", range(3 * PER_BATCH))
def test_the_ledger_counts_what_the_teacher_received_wherever_a_kill_falls(
    tmp_path: Path, point: int
) -> None:
    """By one batch more, where the kill falls after it was noted as sent and before it arrived."""
    teacher, reaper = Brightness(), Reaper(point)
    _, counts = run(tmp_path, teacher, reaper)
    noted = point % PER_BATCH == 1
    assert counts.sent - teacher.received == (BATCH if reaper.between or noted else 0)


@pytest.mark.parametrize("first", range(PER_BATCH))
def test_a_run_that_is_killed_five_times_has_asked_nothing_twice_that_was_answered(
    tmp_path: Path, first: int
) -> None:
    teacher, lost = Brightness(), 0
    folder, before = tmp_path, Counts()
    for kill in range(5):
        received = teacher.received
        folder, counts = run(folder, teacher, Reaper(first + kill))
        lost += (counts.sent - before.sent) - (teacher.received - received)
        assert counts.answered >= before.answered
        before = counts
    folder, final = run(folder, teacher, Reaper(NEVER))
    assert final.answered == final.asked == 12
    assert final.sent == teacher.received + lost
    assert len(set(teacher.seen)) == 12
    with Ledger(folder / "x.ledger.db", read_only=True) as ledger:
        np.testing.assert_array_equal(all_of(ledger), IMAGES)
