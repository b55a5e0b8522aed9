import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from kextract.display.live import MovingLines
from kextract.records import EpochRecord, Progress


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


def drawn(lines: MovingLines, width: int = 80) -> list[str]:
    terminal = console(width)
    with terminal.capture() as capture:
        terminal.print(lines)
    return capture.get().splitlines()


def teach(lines: MovingLines, clock: Clock, epoch: int, *, phase: str = "teaching") -> None:
    """Four of ten steps of 32 images, two seconds each."""
    for done in range(5):
        lines.add(Progress(epoch, phase, done, 10, done * 32, 2.25))
        clock.now += 2.0 if done < 4 else 0.0


def test_a_usual_terminal_shows_how_far_how_fast_how_good_and_how_long_still() -> None:
    clock = Clock()
    lines = MovingLines(console(80), 10, clock)
    lines.end_epoch(EpochRecord(3, accuracy=0.5), EpochRecord(2, accuracy=0.75))
    teach(lines, clock, 4)
    run, epoch = drawn(lines)
    # 128 images in 8 seconds; 6 steps of 2 seconds are left.
    for part in ("teaching", "4/10", "16 img/s", "loss 2.2500", "12s left"):
        assert part in epoch
    for part in ("epoch 4/10", "34%", "best 0.7500, epoch 2", "left"):
        assert part in run


def test_the_run_is_counted_in_epochs_like_those_so_far() -> None:
    clock = Clock()
    lines = MovingLines(console(80), 3, clock)
    teach(lines, clock, 1)
    # 0.4 epochs took 8 seconds, so the 2.6 that are left take 52.
    assert "52s left" in drawn(lines)[0]


@pytest.mark.parametrize("phase", ["asking the teacher", "evaluating"])
def test_only_teaching_makes_an_epoch_go_on(phase: str) -> None:
    clock = Clock()
    lines = MovingLines(console(80), 3, clock)
    teach(lines, clock, 1, phase=phase)
    assert "  0%" in drawn(lines)[0]


@pytest.mark.parametrize("width", [8, 23, 38, 80, 200])
@pytest.mark.parametrize("phase", ["teaching", "a phase with a [long] name\n"])
def test_it_is_two_lines_at_every_width_and_leaves_room_for_the_echo_of_ctrl_c(
    width: int, phase: str
) -> None:
    clock = Clock()
    lines = MovingLines(console(width), 10, clock)
    teach(lines, clock, 1, phase=phase)
    shown = drawn(lines, width)
    assert len(shown) == 2
    assert max(len(line.rstrip()) for line in shown) <= width - 3


def test_work_without_epochs_has_one_line() -> None:
    clock = Clock()
    lines = MovingLines(console(80), 0, clock)
    teach(lines, clock, 1, phase="drawing")
    (shown,) = drawn(lines)
    assert "4/10" in shown and "12s left" in shown
