"""A run that is killed at every point at which it touches the disk or the teacher.

A process that is killed leaves what it has written, and nothing else of it goes on. So does an
exception that nobody catches, raised where the kill falls, before and after the call.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from kextract.teachers.asking import Asking, AskingRules, heading_of
from kextract.teachers.ledger import Ledger, open_ledger
from kextract.teachers.ledger_file import Counts
from tests.teachers.examples import Brightness, pictures

BATCH = 4
IMAGES = pictures(12)
PER_BATCH = 7
"""Points of a batch: one after each write, of questions, their count, how many are sent, responses
and their count, and one before and one after the teacher counts what it received."""
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


def run(folder: Path, teacher: Brightness, reaper: Reaper, patch: pytest.MonkeyPatch) -> Counts:
    """Ask all images in a run that may be killed; return what the ledger on the disk counts."""
    path, sync = folder / "x.ledger.h5", os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        reaper.pass_by()

    class Counting(Brightness):
        def __call__(self, images: Any) -> Any:
            reaper.pass_by(between=True)
            outputs = teacher(images)
            reaper.pass_by()
            return outputs

    with open_ledger(path, heading_of(teacher), 60) as ledger:
        try:
            with patch.context() as patched:
                patched.setattr(os, "fsync", fsync)
                rules = AskingRules(budget=60, at_once=BATCH)
                for _ in Asking(Counting(), ledger, rules).ask(IMAGES, 0):
                    pass
        except Killed:
            pass
    with Ledger(path, read_only=True) as found:
        return found.counts


def test_a_run_comes_to_as_many_points_for_each_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = Reaper(NEVER)
    assert run(tmp_path, Brightness(), reaper, monkeypatch).answered == 12
    assert reaper.left == NEVER - 3 * PER_BATCH


@pytest.mark.parametrize("point", range(3 * PER_BATCH))
def test_the_ledger_counts_what_the_teacher_received_wherever_a_kill_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    """By one batch more, where the kill falls after it was noted as sent and before it arrived."""
    teacher, reaper = Brightness(), Reaper(point)
    counts = run(tmp_path, teacher, reaper, monkeypatch)
    noted = point % PER_BATCH == 2
    assert counts.sent - teacher.received == (BATCH if reaper.between or noted else 0)


@pytest.mark.parametrize("first", range(PER_BATCH))
def test_a_run_that_is_killed_five_times_has_asked_nothing_twice_that_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    teacher, lost = Brightness(), 0
    for kill in range(5):
        reaper = Reaper(first + kill)
        before = Ledger(tmp_path / "x.ledger.h5", read_only=True).counts if kill else Counts()
        received = teacher.received
        counts = run(tmp_path, teacher, reaper, monkeypatch)
        lost += (counts.sent - before.sent) - (teacher.received - received)
        assert counts.answered >= before.answered
    final = run(tmp_path, teacher, Reaper(NEVER), monkeypatch)
    assert final.answered == final.asked == 12
    assert final.sent == teacher.received + lost
    assert len(set(teacher.seen)) == 12
