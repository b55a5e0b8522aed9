import io
import re
from dataclasses import dataclass

import pytest
from rich.console import Console

from kextract.display.live import MovingLines
from kextract.records import EpochRecord, Progress
from tests.display.emulator import Shown, run_in_terminal
from tests.display.simulated import CHECKPOINT, LONG_NOTE

MODULE = "tests.display.simulated"
MOVING = re.compile(r"━|starting|working|training|left|img/s")


@pytest.fixture(scope="module")
def hundred() -> Shown:
    return run_in_terminal(MODULE, "auto", "100")


def epoch_rows(shown: Shown) -> list[str]:
    return [line for line in shown.lines if re.match(r" *\d+ +\d", line)]


def test_a_hundred_epochs_all_stay_in_the_scrollback_once_and_in_order(hundred: Shown) -> None:
    assert [int(row.split()[0]) for row in epoch_rows(hundred)] == list(range(101))


def test_nothing_of_the_moving_lines_is_left_behind(hundred: Shown) -> None:
    assert not [line for line in hundred.lines if MOVING.search(line)]


def test_only_an_epoch_better_than_all_trained_before_is_marked_and_bold(hundred: Shown) -> None:
    marked = [row for row in epoch_rows(hundred) if row.endswith("  *")]
    assert [int(row.split()[0]) for row in marked] == [1, 7]
    assert [row for row in epoch_rows(hundred) if row in hundred.bold] == marked


def test_the_table_is_followed_by_time_file_and_verdict(hundred: Shown) -> None:
    end = hundred.lines[hundred.lines.index("time        21m43s") :]
    assert f"checkpoint  {CHECKPOINT}" in "".join(end)
    assert "The student agrees with its teacher, in a sentence that is longer than a" in end
    assert end[-3:] == ["terminal has room for.", "Next: kextract export x", ""]


def test_a_long_note_is_broken_between_words_alone(hundred: Shown) -> None:
    first = next(n for n, line in enumerate(hundred.lines) if line.startswith("a note with"))
    assert " ".join(hundred.lines[first : first + 2]) == LONG_NOTE


def test_of_drawn_images_a_wide_terminal_shows_every_column() -> None:
    shown = run_in_terminal(MODULE, "live", "8", "drawn", columns=140)
    assert (
        "epoch    loss  accuracy  agreement  synthesis  student    eval     classes    even"
        "  confidence  diversity       bn  train loss    time"
    ) in shown.lines
    assert (
        "    7  0.5000    0.9001     0.5000       4.5s   20m34s    1.5s         ▁█▄  0.8812"
        "      0.7500     0.4321    12.35      0.4286   12.9s  *"
    ) in shown.lines


def test_ctrl_c_in_mid_epoch_keeps_the_rows_and_gives_the_cursor_back() -> None:
    shown = run_in_terminal(MODULE, "live", "100", "hang", interrupt_at="epoch 3/100")
    assert [int(row.split()[0]) for row in epoch_rows(shown)] == [0, 1, 2]
    assert not shown.cursor_hidden
    assert shown.code != 0
    assert not [line for line in shown.lines if "━" in line]
    assert shown.lines.count("KeyboardInterrupt") == 1


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
