"""What the formats write where no terminal is: run as programs, read as bytes."""

import json
import subprocess
import sys
from functools import cache

import pytest

from tests.display.emulator import ROOT, environment
from tests.display.simulated import OUTCOME


@cache
def piped(format: str) -> subprocess.CompletedProcess[bytes]:
    """What a run of eight epochs writes in a format."""
    return subprocess.run(
        [sys.executable, "-m", "tests.display.simulated", format, "8"],
        capture_output=True,
        env=environment(FORCE_COLOR="1", TTY_COMPATIBLE="1"),
        cwd=ROOT,
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize("format", ["auto", "live", "plain", "json", "quiet"])
def test_a_pipe_gets_no_escape_codes_even_where_colour_is_forced(format: str) -> None:
    done = piped(format)
    assert not {b"\x1b", b"\r"} & {bytes([byte]) for byte in done.stdout + done.stderr}


def test_title_and_notes_go_to_stderr() -> None:
    assert piped("auto").stderr.decode().splitlines() == [
        "student of [bold]teacher[/]",
        "teacher  12 layers",
        "student  3 layers",
        "seed 0",
        "agreement: same prediction as the teacher",
        r"a [red]note[/] with \x1b[31man escape",
    ]


def test_live_without_a_terminal_says_that_it_is_plain() -> None:
    done = piped("live")
    assert done.stdout == piped("plain").stdout
    assert done.stderr.startswith(b"stdout is not a terminal")


def test_json_lines_hold_the_numbers_of_the_table_in_full() -> None:
    events = [json.loads(line) for line in piped("json").stdout.splitlines()]
    assert [event["event"] for event in events] == ["start", *["epoch"] * 9, "end"]
    assert events[0]["epochs"] == 8
    assert events[3]["loss"] == 4 / 3
    assert events[3]["details"] == {"confidence": 0.75, "cross_entropy": 4 / 3}
    assert (events[-1]["best"]["epoch"], events[-1]["last"]["epoch"]) == (7, 8)
    assert events[-1]["outcome"] == OUTCOME
    rows = piped("plain").stdout.decode().splitlines()[1:10]
    for event, row in zip(events[1:-1], rows, strict=True):
        assert [f"{event[name]:.4f}" for name in ("loss", "accuracy")] == row.split()[1:3]
