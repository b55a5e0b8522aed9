import io

import pytest
from rich.console import Console

from kextract.display.footer import Footer
from kextract.display.pace import Pace
from kextract.records import EpochRecord, Progress


def drawn(width: int, *, phase: str = "training", total: int = 30) -> list[str]:
    clock = iter(float(second) for second in range(1000)).__next__
    pace = Pace(10, clock)
    footer = Footer(10, pace, clock)
    footer.end_epoch(EpochRecord(3, accuracy=0.5), EpochRecord(2, accuracy=0.75))
    for done in (0, 9, 18):
        pace.add(Progress(4, phase, done, total, done * 32, 2.25))
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(footer)
    return capture.get().splitlines()


def test_a_usual_terminal_shows_everything() -> None:
    epoch, run = drawn(80)
    for part in ("training", "18/30", "img/s", "loss  2.2500", "left"):
        assert part in epoch
    for part in ("epoch 4/10", "best 0.7500, epoch 2", "%", "left"):
        assert part in run


@pytest.mark.parametrize("width", [*range(8, 40, 3), 40, 60, 80, 100, 200])
@pytest.mark.parametrize("phase", ["training", "a phase with a [long] name\n"])
@pytest.mark.parametrize("total", [30, 1_000_000])
def test_it_is_two_lines_at_every_width_and_leaves_room_for_the_echo_of_ctrl_c(
    width: int, phase: str, total: int
) -> None:
    lines = drawn(width, phase=phase, total=total)
    assert len(lines) == 2
    assert max(len(line.rstrip()) for line in lines) <= width - 3


def test_before_the_first_step_it_is_two_lines_too() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(Footer(10, Pace(10, lambda: 0.0), lambda: 0.0))
    assert [line.split()[0] for line in capture.get().splitlines()] == ["starting", "epoch"]


def test_without_epochs_the_second_line_shows_how_far_it_all_is() -> None:
    clock = iter(float(second) for second in range(1000)).__next__
    pace = Pace(0, clock)
    footer = Footer(0, pace, clock)
    for done in (0, 10, 20):
        pace.add(Progress(1, "drawing", done, 40, done))
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(footer)
    first, second = capture.get().splitlines()
    assert "20/40" in first
    assert second.startswith("in all")
    assert "%" in second and "left" in second
