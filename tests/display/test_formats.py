import io
import json
import math
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from kextract.config.shared import DISPLAYS
from kextract.display import RunHeader, make_display
from kextract.display.base import EpochRows, fitting
from kextract.errors import UnknownNameError
from kextract.records import EpochRecord, Note, Progress
from tests.display.emulator import ROOT, environment
from tests.display.simulated import LONG_NOTE, OUTCOME

HEADER = RunHeader("title", "subtitle", 2, ("epoch", "accuracy"), "kextract distill x")


def lines_of(format: str, *records: EpochRecord) -> list[str]:
    stdout = io.StringIO()
    with make_display(format, stdout, io.StringIO()) as display:
        display.start(HEADER)
        for record in records:
            display.show(record)
        display.finish(records, {})
    return stdout.getvalue().splitlines()


def test_a_row_is_flushed_as_its_epoch_ends() -> None:
    class Watched(io.StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    stdout = Watched()
    display = make_display("plain", stdout, io.StringIO())
    display.start(HEADER)
    display.show(EpochRecord(1, accuracy=0.5))
    assert stdout.flushed.splitlines() == ["epoch  accuracy", "    1    0.5000  *"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32(math.nan)])
def test_json_writes_null_for_what_is_no_finite_number(value: float) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    record = EpochRecord(1, loss=value, details={"confidence": value})
    event = json.loads(lines_of("json", record)[1], parse_constant=refuse)
    assert (event["loss"], event["details"]) == (None, {"confidence": None})


@pytest.mark.parametrize("format", DISPLAYS)
def test_every_format_writes_notes_to_stderr_only(format: str) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    display = make_display(format, stdout, stderr)
    display.show(Note("stopped early"))
    assert stdout.getvalue() == ""
    assert stderr.getvalue().endswith("stopped early\n")


@pytest.mark.parametrize("name", ["checkpoint", "images"])
def test_quiet_writes_the_path_of_what_was_made(name: str) -> None:
    stdout = io.StringIO()
    make_display("quiet", stdout, io.StringIO()).finish((), {name: "a path", "accuracy": 0.5})
    assert stdout.getvalue() == "a path\n"


def test_an_unknown_column_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="unknown column 'acuracy': did you mean 'accuracy'"):
        EpochRows(("acuracy",))


PARTS = ("synthesis_seconds", "student_seconds", "evaluation_seconds")


def test_a_column_too_wide_is_passed_over_for_one_that_fits() -> None:
    names = ("epoch", "train_loss", "requested")
    assert fitting(names, 5 + 2 + 9 + 3) == ("epoch", "requested")


def test_the_parts_of_the_time_are_shown_together_or_not_at_all() -> None:
    names = ("epoch", *PARTS, "seconds")
    whole = 5 + 11 + 9 + 8 + 8 + 3
    assert fitting(names, whole) == names
    assert fitting(names, whole - 1) == ("epoch", "seconds")


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
        LONG_NOTE,
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


def test_a_log_is_told_how_far_work_is_of_which_no_row_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    display = make_display("plain", stdout, stderr)
    display.start(HEADER)
    display.show(Progress(1, "drawing", 1, 9, 1))
    assert "drawing" not in stderr.getvalue()
    monkeypatch.setattr("kextract.display.formats.SILENCE", 0)
    display.show(Progress(1, "drawing", 2, 9, 2))
    display.show(Progress(1, "teaching", 2, 9, 2))
    assert stderr.getvalue().splitlines()[-1] == "drawing 2/9"
    assert stdout.getvalue() == ""
